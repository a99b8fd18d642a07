"""``serving-engine``: sentences a second with the same weights, and the memory that it takes.

Our serving engine against our own SavedModel graph at its best batch size, the re-decode loop of
the public TensorFlow tutorial, and CTranslate2 by itself at the best setting that a small search
finds. Every contestant is a process of its own on the same cores; they translate in turns, lap by
lap: while one works, the others wait. Text in, text out, tokenizer and all, for each of them.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure
from sacrebleu.metrics.chrf import CHRF

from benchmarks.environments import environment, versions
from benchmarks.peers_serving_laps import Lap, sample
from benchmarks.report import Figure, Result, figure, publish
from benchmarks.serving_contestants import (
    BEAM,
    GRAPH,
    GREEDY,
    OURS,
    OURS32,
    RAW,
    RAW32,
    TUTORIAL,
    Answer,
    Contestant,
    Setting,
    Task,
    contestants,
)
from benchmarks.serving_model import MINUTES, described, references, sentences, served_model

ROUNDS, LAP, TUNING = 5, 3.0, 0.5  # laps in seconds
TUTORIAL_SENTENCES = 40
RESAMPLES, SEED = 1000, 20261122
Key = tuple[str, int]  # a contestant and its beam
NAMES = {GREEDY: "greedy", BEAM: f"beam {BEAM}"}


def run(scale: float, processes: int) -> None:
    """Measure, print, and write JSON and picture; below a tenth of the length with a brief model.

    A lap goes over one of 1 / ``scale`` sentences; all are translated once, for the comparison of
    what is said.
    """
    brief, every = scale < 0.1, max(1, round(1 / scale))
    minutes = 1.0 if brief else MINUTES
    model, rows = served_model(minutes), sample(sentences(), every if brief else 1)
    sources, targets = ([text[row] for row in rows] for text in (sentences(), references()))
    cores = sorted(os.sched_getaffinity(0))[:processes]
    field = contestants(1 if brief else every, max(1, len(sources) // TUTORIAL_SENTENCES))
    with tempfile.TemporaryDirectory(prefix="serving-engine-") as folder:
        task = Task(model, Path(folder) / "text.json", cores)
        task.text.write_text(json.dumps(sources), encoding="utf-8")
        chosen = {
            (one.name, beam): setting
            for one in field
            for beam, setting in one.tuned(task, TUNING).items()
        }
        lap = LAP * min(1.0, 2 * scale)
        told, laps, load = _measured(field, chosen, task, (max(ROUNDS, round(ROUNDS * scale)), lap))
    setup = {
        "model": described(minutes),
        "sentences": len(sources),
        "sentences of a lap": len(sources) // field[0].every,
        "sentences of the tutorial's laps": len(told[TUTORIAL, GREEDY]),
        "cores": len(cores),
        "rounds": len(load),
        "seconds a lap, at least": lap,
        "settings": {f"{name}, {NAMES[beam]}": how for (name, beam), how in chosen.items()},
        "memory": "the most that was resident (VmHWM), both searches done, no other setting tried",
        "load of the machine, before each round": load,
        "versions of the programs": {
            "predictor": versions(environment("predictor"), "ctranslate2", "sentencepiece"),
            "graph": versions(environment("predictor-tensorflow"), "tensorflow-cpu"),
            "tutorial": versions(environment("trainer_image"), "tensorflow-cpu", "keras"),
        },
    }
    figures = [*_ratios(laps), *_quality(told, sources, targets)]
    result = Result("serving-engine", setup, figures, ("sacrebleu",))
    publish(result, _rows(laps, told, targets), _picture(laps))


def _measured(
    field: Sequence[Contestant],
    chosen: Mapping[Key, Setting],
    task: Task,
    length: tuple[int, float],
) -> tuple[dict[Key, list[str]], dict[Key, list[Answer]], list[float]]:
    """Return all translations, every lap of each, and the load before each round.

    Args:
        field: who is measured.
        chosen: their settings.
        task: what they translate.
        length: rounds, and the least seconds of a lap.
    """
    rounds, seconds = length
    told: dict[Key, list[str]] = {}
    laps: dict[Key, list[Answer]] = {key: [] for key in chosen}
    load: list[float] = []
    with ExitStack() as stack:
        running = [(one, stack.enter_context(one.running(task))) for one in field]
        for one, process in running:  # the first pass is slower, and not timed
            for beam in one.beams:
                lap = Lap(chosen[one.name, beam], beam, one.shown, told=True)
                told[one.name, beam] = process.lap(lap)["translations"]
        for number in range(rounds):
            load.append(round(os.getloadavg()[0], 1))
            # Every round begins with another one, so that none has a place of its own.
            first = number % len(running)
            for one, process in [*running[first:], *running[:first]]:
                for beam in one.beams:
                    lap = Lap(chosen[one.name, beam], beam, one.every, seconds)
                    laps[one.name, beam].append(process.lap(lap))
    return told, laps, load


def _speeds(laps: Sequence[Answer]) -> list[float]:
    return [lap["sentences"] / lap["seconds"] for lap in laps]


def _ratios(laps: Mapping[Key, Sequence[Answer]]) -> list[Figure]:
    speed = {key: _speeds(own) for key, own in laps.items()}

    def ratio(name: str, one: str, other: str, beam: int, goal: str = "") -> Figure:
        pairs = zip(speed[one, beam], speed[other, beam], strict=True)
        return figure(name, "", [a / b for a, b in pairs], goal)

    def memory(name: str) -> float:
        return float(laps[name, BEAM][-1]["peak_mib"])

    found = [
        ratio("ratio_vs_graph", OURS, GRAPH, BEAM, ">= 5"),
        ratio("ratio_vs_graph_greedy", OURS, GRAPH, GREEDY, ">= 5"),
        ratio("ratio_vs_tutorial", OURS, TUTORIAL, GREEDY, ">= 100"),
        ratio("ratio_vs_raw_ctranslate2", OURS, RAW, BEAM, ">= 0.90"),
        ratio("ratio_vs_raw_ctranslate2_greedy", OURS, RAW, GREEDY, ">= 0.90"),
        figure("ratio_memory_vs_graph", "", [memory(OURS) / memory(GRAPH)], "<= 0.25"),
    ]
    for beam, name in ((BEAM, "float32"), (GREEDY, "float32_greedy")):
        found.append(ratio(f"ratio_vs_graph_{name}", OURS32, GRAPH, beam))
        found.append(ratio(f"ratio_vs_raw_ctranslate2_{name}", OURS32, RAW32, beam))
    found.append(ratio("ratio_vs_tutorial_float32", OURS32, TUTORIAL, GREEDY))
    found += [
        figure(f"sentences_per_second: {name}, {NAMES[beam]}", "sentences/s", speeds)
        for (name, beam), speeds in speed.items()
    ]
    return found


def _quality(
    told: Mapping[Key, Sequence[str]], sources: Sequence[str], targets: Sequence[str]
) -> list[Figure]:
    """Return what int8 loses, and how often others say the same: the weights are the same."""
    found = [
        Figure(f"chrf_loss_int8{name}", "points", *loss, "<= 0.2", loss[0] <= 0.2)
        for beam, name in ((BEAM, ""), (GREEDY, "_greedy"))
        for loss in [_loss(told[OURS32, beam], told[OURS, beam], targets)]
    ]
    for name, beam in ((GRAPH, GREEDY), (GRAPH, BEAM), (TUTORIAL, GREEDY)):
        theirs = told[name, beam]
        rows = sample(sources, len(sources) // len(theirs))
        same = [told[OURS32, beam][row] == text for row, text in zip(rows, theirs, strict=True)]
        label = f"same_text: float32 and {name}, {NAMES[beam]}"
        found.append(figure(label, "share", [float(np.mean(same))]))
    return found


def _loss(
    before: Sequence[str], after: Sequence[str], targets: Sequence[str]
) -> tuple[float, float, float]:
    """Return by how much chrF falls, and the bounds of its paired bootstrap interval."""
    metric: Any = CHRF()
    sides = [
        np.array(metric._extract_corpus_statistics(list(side), [list(targets)]))
        for side in (before, after)
    ]
    chance = np.random.default_rng(SEED)
    draws = [np.arange(len(targets))]
    draws += [chance.integers(0, len(targets), len(targets)) for _ in range(RESAMPLES)]
    scores = [
        [metric._compute_score_from_stats(list(side[draw].sum(0))).score for side in sides]
        for draw in draws
    ]
    whole, *drawn = (first - second for first, second in scores)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(whole), float(low), float(high)


def _rows(
    laps: Mapping[Key, Sequence[Answer]],
    told: Mapping[Key, Sequence[str]],
    targets: Sequence[str],
) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [
        ("contestant", "search", "sentences/s", "min", "max", "cores", "peak MiB", "chrF")
    ]
    for (name, beam), own in laps.items():
        speeds = _speeds(own)
        cores = statistics.median(lap["cpu"] / lap["seconds"] for lap in own)
        whole = len(told[name, beam]) == len(targets)  # else only some were translated
        score = CHRF().corpus_score(told[name, beam], [list(targets)]).score if whole else None
        numbers = (statistics.median(speeds), min(speeds), max(speeds))
        quality = "" if score is None else f"{score:.2f}"
        memory = f"{own[-1]['peak_mib']:,.0f}"
        speed = (f"{number:,.1f}" for number in numbers)
        rows.append((name, NAMES[beam], *speed, f"{cores:.2f}", memory, quality))
    return rows


def _picture(laps: Mapping[Key, Sequence[Answer]]) -> MplFigure:
    picture, axes = plt.subplots(figsize=(8, 4.2))
    keys = sorted(laps, key=lambda key: key[1])
    speeds = [_speeds(laps[key]) for key in keys]
    middle = [statistics.median(own) for own in speeds]
    spread = [(m - min(own), max(own) - m) for m, own in zip(middle, speeds, strict=True)]
    labels = [f"{name}, {NAMES[beam]}" for name, beam in keys]
    colors = ["#1b6ca8" if "product" in label else "#b8b8b8" for label in labels]
    bars = axes.barh(labels, middle, xerr=np.array(spread).T, color=colors, ecolor="#555555")
    axes.bar_label(bars, labels=[f"{value:,.0f}" for value in middle], padding=6)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_title("sentences a second, the same weights and cores", fontsize=10)
    picture.tight_layout()
    return picture
