"""``serving-poison``: does anybody suffer from what others send?

The predictor as it ships, on all cores, is sent poison of every kind, and good sentences in the
same moment. What counts is what the senders of those get.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure
from scipy.stats import fisher_exact

from benchmarks import serving_model
from benchmarks.environments import environment, versions
from benchmarks.peers_http_servers import (
    answered,
    asked,
    ended,
    predictor,
    program,
    running,
)
from benchmarks.report import Figure, Result, figure, publish
from mt_contract import defaults

TRIALS, PARTS, BENIGN_SHARE = 10_000, 10, 0.5
TEXTS, SEED = 300, 7
BENIGN = "benign"  # as the trials name it
BOUND_MIB = 512  # the memory that a pod asks for by default (spec.serving.resources)
COUNTS = ("trials", "neighbours", "errors", "flips", "wrong")
Tallies = Mapping[str, Mapping[str, Any]]  # by kind; see peers_poison.Tally


def run(scale: float, processes: int) -> None:
    """Measure, print, and write JSON and picture."""
    model = serving_model.served_model()
    texts = random.Random(SEED).sample(serving_model.sentences(), TEXTS)
    trials = max(PARTS, round(TRIALS * scale))
    cores = range(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory(prefix="serving-poison-") as name, ExitStack() as stack:
        folder = Path(name)
        file = folder / "texts.json"
        file.write_text(json.dumps(texts), encoding="utf-8")
        with ended(program("peers_http_offline", cores, str(model), str(file))) as offline:
            answered(offline)
        server = stack.enter_context(running(predictor(model, folder), folder, cores))
        port = str(server.contestant.port)
        client = stack.enter_context(ended(program("peers_poison", cores, port, str(file))))
        parts, memory = [], [server.resident_mib()]
        for number in range(PARTS):
            count = trials // PARTS
            order = {"trials": count, "benign": round(BENIGN_SHARE * count), "seed": number}
            parts.append(asked(client, order))
            memory.append(server.resident_mib())
        peak, died = server.peak_mib(), not server.alive
        server.wait()
    _publish(parts, memory, peak, died)


def _publish(parts: Sequence[Tallies], memory: Sequence[float], peak: float, died: bool) -> None:
    setup = {
        "model": serving_model.described(),
        "texts": f"{TEXTS} test sentences of {serving_model.CORPUS}",
        "engine": defaults.ENGINE,
        "trials": int(sum(_each(parts, _kinds(parts), "trials"))),
        "a trial": "a poison and two sentences in requests of their own, at once; six at a time",
        "benign trials": int(sum(_each(parts, [BENIGN], "trials"))),
        "seeds": list(range(len(parts))),
        "MiB after each part, the first before": [round(one) for one in memory],
        "kinds": {kind: _row(parts, kind) for kind in (*_kinds(parts), BENIGN)},
        "predictor": versions(environment("predictor"), "kserve", "ctranslate2"),
    }
    figures = _figures(parts, peak, died)
    publish(Result("serving-poison", setup, figures), _rows(parts), _picture(parts))


def _figures(parts: Sequence[Tallies], peak: float, died: bool) -> list[Figure]:
    kinds = _kinds(parts)
    told = {"neighbours_with_errors": "errors", "neighbours_with_anothers_translation": "wrong"}
    harmed = [
        figure(name, "", each := _each(parts, kinds, of), "<= 0", pooled=sum(each))
        for name, of in told.items()
    ]
    faults = [float(sum(_faults(part, kind) for kind in kinds)) for part in parts]
    beside = {"poison": kinds, "benign": [BENIGN]}
    flips = [sum(_each(parts, some, "flips")) for some in beside.values()]
    of = [sum(_each(parts, some, "neighbours")) for some in beside.values()]
    table = [[int(found), int(all_ - found)] for found, all_ in zip(flips, of, strict=True)]
    chance = float(fisher_exact(table, alternative="greater").pvalue)
    rates = [
        figure(f"flip_rate_beside_{name}", "", _rates(parts, some), pooled=found / all_)
        for (name, some), found, all_ in zip(beside.items(), flips, of, strict=True)
    ]
    return [
        *harmed,
        figure("processes_died", "", [float(died)], "<= 0"),
        figure("poisons_answered_with_a_fault", "", faults, "<= 0", pooled=sum(faults)),
        figure("memory_peak_mib", "MiB", [peak], f"<= {BOUND_MIB}"),
        figure("p_of_so_many_flips_as_with_benign", "", [chance], ">= 0.01"),
        *rates,
    ]


def _kinds(parts: Sequence[Tallies]) -> list[str]:
    return [kind for kind in sorted(parts[0]) if kind != BENIGN]


def _number(value: Any) -> int:
    return value if isinstance(value, int) else len(value)


def _each(parts: Sequence[Tallies], kinds: Iterable[str], name: str) -> list[float]:
    """Return a count of all ``kinds`` together, by part."""
    return [float(sum(_number(part[kind][name]) for kind in kinds)) for part in parts]


def _rates(parts: Sequence[Tallies], kinds: Sequence[str]) -> list[float]:
    flips, of = _each(parts, kinds, "flips"), _each(parts, kinds, "neighbours")
    return [found / all_ for found, all_ in zip(flips, of, strict=True)]


def _faults(part: Tallies, kind: str) -> int:
    """Return how many were answered with a fault of ours, or not at all."""
    statuses = part[kind]["statuses"].items()
    return sum(count for status, count in statuses if not 200 <= int(status) < 500)


def _row(parts: Sequence[Tallies], kind: str) -> dict[str, Any]:
    answered = sum((Counter(part[kind]["statuses"]) for part in parts), Counter[str]())
    counts = {name: int(sum(_each(parts, [kind], name))) for name in COUNTS}
    return counts | {"answered": dict(sorted(answered.items()))}


def _rows(parts: Sequence[Tallies]) -> list[Sequence[str]]:
    head = ("poison", "answered", "trials", "neighbours", "their errors", "flips", "another's")
    rows: list[Sequence[str]] = [head]
    for kind in (*_kinds(parts), BENIGN):
        row = _row(parts, kind)
        told = ", ".join(f"{status}: {count}" for status, count in row["answered"].items())
        rows.append((kind, told, *(str(row[name]) for name in COUNTS)))
    return rows


def _picture(parts: Sequence[Tallies]) -> MplFigure:
    kinds = [*_kinds(parts), BENIGN]
    found = [_row(parts, kind) for kind in kinds]
    rates = [100 * row["flips"] / row["neighbours"] for row in found]
    picture, axes = plt.subplots(figsize=(8, 3.2))
    colors = ["#1b6ca8" if kind == BENIGN else "#b8b8b8" for kind in kinds]
    bars = axes.barh(kinds, rates, color=colors)
    axes.bar_label(bars, fmt="%.2f %%", padding=6)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_title("translations that differ from those alone, by what came beside", fontsize=10)
    picture.tight_layout()
    return picture
