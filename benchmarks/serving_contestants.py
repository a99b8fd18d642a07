"""Who is measured by `serving-engine`: which program, with which settings, and how it is driven."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT, environment
from benchmarks.peers_serving_laps import Lap

GREEDY, BEAM = 1, 4
OURS, OURS32, RAW, RAW32, GRAPH, TUTORIAL = (
    "this product, int8",
    "this product, float32",
    "CTranslate2 alone, int8",
    "CTranslate2 alone, float32",
    "SavedModel graph",
    "tutorial's loop",
)
PATHS = ("crds", "corpus", "predictor", "trainer_image", ".")
Setting = Mapping[str, Any]
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """What all contestants have in common: the artifact, the text (a JSON list), the cores."""

    model: Path
    text: Path
    cores: Sequence[int]


@dataclass(frozen=True)
class Process:
    """A contestant at work."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    def lap(self, lap: Lap) -> Answer:
        """Return what it says of a lap.

        Raises:
            RuntimeError: it ended by itself.
        """
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):  # it is gone: there is no answer either
            print(json.dumps(asdict(lap)), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            code, told = self.process.wait(), self.log.read_text(encoding="utf-8")[-2000:]
            raise RuntimeError(f"{self.name} ended, with exit code {code}: {told}")
        return dict(json.loads(answer))


@dataclass(frozen=True)
class Contestant:
    """Who translates.

    Attributes:
        name: as tables have it.
        program: whose environment it runs in.
        module: its name after ``peers_serving_``.
        options: that follow model and text.
        settings: of which the quickest is measured.
        beams: that it can do.
        every: one of so many sentences is translated in a lap.
        shown: one of so many is translated for what it says.
    """

    name: str
    program: str
    module: str
    options: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ({},)
    beams: tuple[int, ...] = (GREEDY, BEAM)
    every: int = 1
    shown: int = 1

    @contextmanager
    def running(self, task: Task) -> Iterator[Process]:
        """Start it and, in the end, end it."""
        command = ["taskset", "--cpu-list", ",".join(map(str, task.cores))]
        command += [environment(self.program), "-m", f"benchmarks.peers_serving_{self.module}"]
        log = task.text.with_name(f"{self.name}.log")
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [*command, str(task.model), str(task.text), *self.options],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            yield Process(self.name, process, log)
        finally:
            process.kill()
            process.wait()

    def tuned(self, task: Task, seconds: float) -> dict[int, Setting]:
        """Return the quickest of the settings for each beam: ``seconds`` each, after a first pass.

        One of four sentences will do, or what a lap has.
        """
        if len(self.settings) == 1:
            return dict.fromkeys(self.beams, self.settings[0])
        with self.running(task) as process:
            return {beam: self._quickest(process, beam, seconds) for beam in self.beams}

    def _quickest(self, process: Process, beam: int, seconds: float) -> Setting:
        every = max(4, self.every)  # of so many sentences one

        def rate(setting: Setting) -> float:
            process.lap(Lap(setting, beam, every))
            lap = process.lap(Lap(setting, beam, every, seconds))
            return float(lap["sentences"] / lap["seconds"])

        return max(self.settings, key=rate)


def contestants(every: int, tutorial_every: int) -> tuple[Contestant, ...]:
    """Return all, who translate one of ``every`` sentences a lap; the tutorial's loop is slow."""
    # As many users as the queue holds half of, each with a sentence of its own.
    served = ({"clients": 256, "texts a request": 1},)
    graph = tuple({"batch": size, "callers": n} for n in (1, 2) for size in (64, 128, 256))
    raw = _raw_settings()
    loop = {"beams": (GREEDY,), "every": tutorial_every, "shown": tutorial_every}
    return (
        Contestant(OURS, "predictor", "ours", ("Int8",), served, every=every),
        Contestant(OURS32, "predictor", "ours", ("Float32",), served, every=every),
        Contestant(RAW, "predictor", "raw", ("int8",), raw, every=every),
        Contestant(RAW32, "predictor", "raw", ("float32",), raw, every=every),
        Contestant(GRAPH, "predictor-tensorflow", "graph", (), graph, every=every),
        Contestant(TUTORIAL, "trainer_image", "tutorial", **loop),
    )


def _raw_settings() -> tuple[Setting, ...]:
    sizes = [("tokens", size) for size in (256, 512, 1024, 4096)]
    sizes += [("examples", size) for size in (16, 32, 64, 128)]
    two = [{"workers": 2, "threads of each": 1, "batch of": of, "size": n} for of, n in sizes]
    one = {"workers": 1, "threads of each": 2, "batch of": "tokens", "size": 1024}
    return (*two, one)
