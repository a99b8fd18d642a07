"""``training-throughput``: real target tokens a second, against the public tutorial and JoeyNMT.

Every contestant is a process that trains a network of the preset Tutorial's dimensions on the same
pieces of the same text, with the same number of threads. They train in turns, lap by lap: while one
runs, the others wait.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure

from benchmarks.corpora import file
from benchmarks.environments import JOEYNMT, ROOT, environment, joeynmt_environment, versions
from benchmarks.report import Figure, Result, figure, publish

CORPUS = "multi30k_eng_deu"
VOCABULARY, BATCH_TOKENS, THREADS = 8000, 4096, 2
ROUNDS, LEAST, LAP, WARM_UP = 7, 5, 20.0, 12.0  # laps in seconds
PATHS = ("crds", "corpus", "trainer_image", ".")
OURS, FLOAT32, TUTORIAL, WIDE, JOEY = (
    "this product",
    "this product, float32",
    "TensorFlow tutorial",
    "TensorFlow tutorial, heads as published",
    "JoeyNMT",
)
Lap = Mapping[str, Any]


@dataclass(frozen=True)
class Contestant:
    """Who trains, and how it is started: a module, and what follows the folder and the threads.

    Attributes:
        environment: what makes it faster here, if anything does.
    """

    name: str
    python: str
    module: str
    options: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """Start it; it waits for its first lap."""
        command = [self.python, "-m", f"benchmarks.{self.module}", str(folder), str(THREADS)]
        return subprocess.Popen(
            [*command, *self.options],
            cwd=ROOT,
            env=os.environ | _paths() | {"OMP_NUM_THREADS": str(THREADS)} | self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


def run(scale: float, processes: int) -> None:
    """Measure, print, and write JSON and picture."""
    rounds, lap = max(LEAST, round(ROUNDS * scale)), LAP * min(1.0, 2 * scale)
    trainer = environment("trainer_image")
    contestants = _contestants(trainer)
    with tempfile.TemporaryDirectory(prefix="training-throughput-") as folder:
        corpus = str(file(CORPUS, "train"))
        write = [trainer, "-m", "benchmarks.peers_text", corpus, folder, str(VOCABULARY)]
        subprocess.run(write, cwd=ROOT, env=os.environ | _paths(), check=True)
        laps, load = _laps(contestants, Path(folder), rounds, lap)
    setup = {
        "corpus": CORPUS,
        "network": "4+4 layers, dimension 128, feed-forward 512, 8 heads, dropout 0.1",
        "vocabulary": VOCABULARY,
        "batch": f"{BATCH_TOKENS} tokens (this product, JoeyNMT), 64 pairs (tutorial)",
        "precision": f"{laps[OURS][0]['precision']} (this product, as Auto chooses), else float32",
        "threads": THREADS,
        "rounds": rounds,
        "seconds a round": lap,
        "load of the machine, before each round": load,
    }
    peers = versions(trainer, "tensorflow-cpu", "keras") | versions(
        joeynmt_environment(), "joeynmt", "torch"
    )
    result = Result("training-throughput", setup | {"peers": peers}, _figures(laps))
    publish(result, _rows(laps), _picture(laps))


def _contestants(trainer: str) -> tuple[Contestant, ...]:
    tokens = str(BATCH_TOKENS)
    return (
        Contestant(OURS, trainer, "peers_ours", ("Auto", tokens)),
        Contestant(FLOAT32, trainer, "peers_ours", ("Float32", tokens)),
        Contestant(TUTORIAL, trainer, "peers_tutorial", ("16",)),
        Contestant(WIDE, trainer, "peers_tutorial", ("128",)),
        Contestant(JOEY, joeynmt_environment(), "peers_joeynmt", (tokens,), JOEYNMT),
    )


def _laps(
    contestants: Sequence[Contestant], folder: Path, rounds: int, seconds: float
) -> tuple[dict[str, list[Lap]], list[float]]:
    """Let them train in turns; return every lap of each, and the load before each round."""
    found: dict[str, list[Lap]] = {one.name: [] for one in contestants}
    load: list[float] = []
    with ExitStack() as stack:
        running = {one.name: stack.enter_context(one.start(folder)) for one in contestants}
        stack.callback(lambda: [process.kill() for process in running.values()])
        for name, process in running.items():
            _lap(name, process, WARM_UP)
        for number in range(rounds):
            load.append(round(os.getloadavg()[0], 1))
            # Every round begins with another one, so that none has a place of its own.
            order = list(running)[number % len(running) :] + list(running)[: number % len(running)]
            for name in order:
                found[name].append(_lap(name, running[name], seconds))
    return found, load


def _lap(name: str, process: subprocess.Popen[str], seconds: float) -> Lap:
    assert process.stdin
    assert process.stdout
    print(seconds, file=process.stdin, flush=True)
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"{name} ended by itself, with exit code {process.wait()}")
    return dict(json.loads(answer))


def _speeds(laps: Sequence[Lap]) -> list[float]:
    return [lap["tokens"] / lap["seconds"] for lap in laps]


def _figures(laps: Mapping[str, Sequence[Lap]]) -> list[Figure]:
    speed = {name: _speeds(own) for name, own in laps.items()}

    thrift = {name: [lap["tokens"] / lap["cpu"] for lap in own] for name, own in laps.items()}

    def ratio(one: str, other: str, of: Mapping[str, list[float]] = speed) -> list[float]:
        return [a / b for a, b in zip(of[one], of[other], strict=True)]

    ours = laps[OURS]
    shares = [lap["real"] / lap["padded"] for lap in ours]
    together = sum(lap["real"] for lap in ours) / sum(lap["padded"] for lap in ours)
    traces = [float(lap["traces"]) for lap in ours]
    per_second = [
        figure(f"tokens_per_second: {name}", "tokens/s", values) for name, values in speed.items()
    ]
    per_cpu = [
        figure(f"tokens_per_cpu_second: {name}", "tokens/s", values)
        for name, values in thrift.items()
    ]
    return [
        figure("ratio_vs_tutorial", "", ratio(OURS, TUTORIAL), ">= 4"),
        figure("ratio_vs_joeynmt", "", ratio(OURS, JOEY), ">= 1.2"),
        figure("real_token_share", "", shares, ">= 0.95", pooled=together),
        figure("compiled_shapes", "", traces, "<= 8"),
        figure("ratio_vs_tutorial_float32", "", ratio(FLOAT32, TUTORIAL)),
        figure("ratio_vs_joeynmt_float32", "", ratio(FLOAT32, JOEY)),
        figure("ratio_vs_tutorial_cpu_seconds", "", ratio(OURS, TUTORIAL, thrift)),
        figure("ratio_vs_joeynmt_cpu_seconds", "", ratio(OURS, JOEY, thrift)),
        figure("ratio_vs_tutorial_as_published", "", ratio(OURS, WIDE)),
        *per_second,
        *per_cpu,
    ]


def _rows(laps: Mapping[str, Sequence[Lap]]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [("contestant", "steps a lap", "cores", "tokens/s", "real tokens")]
    for name, own in laps.items():
        padded = sum(lap["padded"] for lap in own)
        share = f"{sum(lap['real'] for lap in own) / padded:.1%}" if padded else ""
        steps = statistics.median(lap["steps"] for lap in own)
        cores = statistics.median(lap["cpu"] / lap["seconds"] for lap in own)
        told = (f"{steps:g}", f"{cores:.2f}", f"{statistics.median(_speeds(own)):,.0f}", share)
        rows.append((name, *told))
    return rows


def _picture(laps: Mapping[str, Sequence[Lap]]) -> MplFigure:
    picture, axes = plt.subplots(figsize=(8, 2.8))
    middle = [float(np.median(_speeds(own))) for own in laps.values()]
    spread = [
        (value - min(_speeds(own)), max(_speeds(own)) - value)
        for value, own in zip(middle, laps.values(), strict=True)
    ]
    colors = ["#1b6ca8" if "product" in name else "#b8b8b8" for name in laps]
    bars = axes.barh(list(laps), middle, xerr=np.array(spread).T, color=colors, ecolor="#555555")
    axes.bar_label(bars, labels=[f"{value:,.0f}" for value in middle], padding=6)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_title(f"real target tokens a second, {THREADS} CPU threads", fontsize=10)
    picture.tight_layout()
    return picture


def _paths() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(str(ROOT / path) for path in PATHS)}
