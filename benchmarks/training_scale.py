"""``training-scale``: memory and time of a training against the size of its corpus.

Each size is a program of its own: ``mt-trainer train``, as users run it, on made-up text, with a
tiny network and a few steps. What is watched is the memory that cannot be given back (anonymous
pages): mapped files are the system's to drop.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure

from benchmarks.environments import environment
from benchmarks.made_up_text import write
from benchmarks.report import Figure, Result, figure, publish

ROOT = Path(__file__).parents[1]
LARGEST, BASE, SMALLEST = 10_000_000, 100_000, 10_000
STEPS, SEED = 100, 20261121
_LOOK = 0.02  # seconds between two looks at the memory
_PREPARED = re.compile(r"([\d,]+) pairs, [\d,]+ rejected")  # what the trainer says then
_RECIPE: Mapping[str, Any] = {
    "sourceLanguage": "x-a",
    "targetLanguage": "x-b",
    "training": {
        "architecture": {
            "layers": 1,
            "modelDimension": 32,
            "feedForwardDimension": 64,
            "heads": 2,
            "maxTokens": 128,
        },
        "vocabulary": {"size": 8000},
        "optimizer": {"learningRate": "0.005", "warmupSteps": 20, "batchTokens": 4096},
        "budget": {"maxSteps": STEPS, "maxEpochs": 1},
    },
}


@dataclass(frozen=True)
class Seen:
    """One training.

    Attributes:
        pairs: rows of its corpus.
        prepared: MiB of anonymous memory, the most until the text was ready.
        peak: the most until the end.
        seconds: CPU time until the text was ready, but for learning the vocabulary, which looks at
            no more than 24 MB of it.
        total: CPU time until the end.
        elapsed: seconds by the clock until the text was ready.
    """

    pairs: int
    prepared: float
    peak: float
    seconds: float
    total: float
    elapsed: float


def run(scale: float, processes: int) -> None:
    """Measure, print, and write JSON and picture."""
    del processes  # one after the other: they would disturb each other
    largest = max(4 * BASE, int(LARGEST * scale))
    middle = int((BASE * largest) ** 0.5)
    python = environment("trainer_image")
    before = os.getloadavg()[0]
    seen = [_measured(python, pairs) for pairs in (SMALLEST, BASE, middle, largest)]
    setup = {
        "pairs": [one.pairs for one in seen],
        "text": f"made up, {STEPS} steps of a tiny network, seed {SEED}",
        "recipe": _RECIPE["training"],
        "memory": f"anonymous pages of the process, looked at every {_LOOK:g} s",
        "time": "CPU seconds of all threads until the text is ready, without the vocabulary",
        "load before": round(before, 1),
    }
    head = (
        "pairs",
        "MiB until ready",
        "MiB in all",
        "CPU s, text",
        "CPU s in all",
        "s until ready",
    )
    rows = [head, *(_row(one) for one in seen)]
    publish(Result("training-scale", setup, _figures(seen)), rows, _picture(seen))


def _measured(python: str, pairs: int) -> Seen:
    with tempfile.TemporaryDirectory(prefix="training-scale-") as folder:
        place = Path(folder)
        write(place / "train.tsv", pairs, SEED)
        data = {"train": [{"uri": "train.tsv"}], "checks": {"maxDuplicateFraction": "1"}}
        (place / "recipe.yaml").write_text(yaml.safe_dump({**_RECIPE, "data": data}))
        command = [python, "-m", "mt_trainer", "train", "recipe.yaml", "--out", "out"]
        paths = [str(ROOT / name) for name in ("crds", "corpus", "trainer_image")]
        program = subprocess.Popen(
            command,
            cwd=place,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            return _watched(program, place / "out", pairs)
        finally:
            if program.poll() is None:
                program.send_signal(signal.SIGKILL)
                program.wait()


def _watched(program: subprocess.Popen[str], out: Path, pairs: int) -> Seen:
    """Look at a training until it ends.

    Its vocabulary is learned between the first ``dataset.json`` and the file that it is kept in.

    Raises:
        RuntimeError: it fails.
    """
    started, peak, total, read, learned = time.monotonic(), 0.0, 0.0, 0.0, 0.0
    ready: list[tuple[float, float, float]] = []  # MiB, CPU seconds, seconds
    said: list[str] = []

    def listen() -> None:
        assert program.stderr
        for line in program.stderr:
            said.append(line)
            if _PREPARED.search(line):
                ready.append((peak, _cpu_seconds(program.pid), time.monotonic() - started))

    ear = threading.Thread(target=listen)
    ear.start()
    while program.poll() is None:
        peak = max(peak, _anonymous(program.pid))
        total = max(total, _cpu_seconds(program.pid))
        read = read or (total if (out / "dataset.json").exists() else 0.0)
        learned = learned or (total if any(out.glob("checkpoints/*.model")) else 0.0)
        time.sleep(_LOOK)
    ear.join()
    if program.returncode or not ready:
        raise RuntimeError(
            f"{pairs:,} pairs: ended with {program.returncode}: {''.join(said[-9:])}"
        )
    at, seconds, elapsed = ready[0]
    return Seen(pairs, at, peak, seconds - (learned - read), total, elapsed)


def _anonymous(process: int) -> float:
    """Return MiB of anonymous memory; 0 when the process is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def _cpu_seconds(process: int) -> float:
    """Return the time of all threads, ended ones too; 0 when the process is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _figures(seen: Sequence[Seen]) -> list[Figure]:
    _, base, middle, largest = seen
    further = [_further(base, middle), _further(middle, largest)]
    return [
        figure("ratio_memory", "ratio", [largest.peak / base.peak], "<= 1.2"),
        figure("ratio_memory_preparing", "ratio", [largest.prepared / base.prepared]),
        figure("ratio_time_per_further_pair", "ratio", [further[1] / further[0]], "<= 1.15"),
        figure("pairs_per_cpu_second", "pairs/s", [1 / each for each in further]),
    ]


def _further(less: Seen, more: Seen) -> float:
    """Return CPU seconds for each pair more: what is the same for any corpus falls away."""
    return (more.seconds - less.seconds) / (more.pairs - less.pairs)


def _row(one: Seen) -> tuple[str, ...]:
    numbers = (one.prepared, one.peak, one.seconds, one.total, one.elapsed)
    return (f"{one.pairs:,}", *(f"{number:,.0f}" for number in numbers))


def _picture(seen: Sequence[Seen]) -> MplFigure:
    picture, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    pairs = [one.pairs for one in seen]
    left.plot(pairs, [one.peak for one in seen], "o-", color="#1b6ca8", label="in all")
    left.plot(pairs, [one.prepared for one in seen], "o-", color="#b8b8b8", label="until ready")
    left.set_title("anonymous memory (MiB), by pairs", fontsize=10)
    left.set_ylim(0, None)
    left.legend(fontsize=8)
    right.plot(pairs, [one.seconds for one in seen], "o-", color="#1b6ca8", label="seen")
    per = _further(seen[1], seen[-1])
    straight = np.geomspace(pairs[0], pairs[-1])
    constant = seen[1].seconds - per * pairs[1]
    right.plot(straight, constant + per * straight, "--", color="#b8b8b8", label="a straight line")
    right.set_title("CPU seconds for the text, by pairs", fontsize=10)
    right.set_yscale("log")
    right.legend(fontsize=8)
    for side in (left, right):
        side.set_xscale("log")
    picture.tight_layout()
    return picture
