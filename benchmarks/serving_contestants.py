"""Who is measured by `serving-engine`: which program, with which settings, and how it is driven."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
        every: one of so many sentences is enough for a lap.
    """

    name: str
    program: str
    module: str
    options: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ({},)
    beams: tuple[int, ...] = (GREEDY, BEAM)
    every: int = 1

    @contextmanager
    def running(self, task: Task) -> Iterator[Process]:
        """Start it and, in the end, end it."""
        command = ["taskset", "--cpu-list", ",".join(map(str, task.cores))]
        command += [environment(self.program), "-m", f"benchmarks.peers_serving_{self.module}"]
        log = task.text.with_name(f"{self.name}.log")
        with (
            log.open("w", encoding="utf-8") as errors,
            subprocess.Popen(
                [*command, str(task.model), str(task.text), *self.options],
                cwd=ROOT,
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(str(ROOT / path) for path in PATHS)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            try:
                yield Process(self.name, process, log)
            finally:
                process.kill()

    def tuned(self, task: Task, seconds: float, every: int) -> dict[int, Setting]:
        """Return the quickest of the settings for each beam.

        Args:
            task: the one that is measured.
            seconds: for each setting, after one pass that does not count.
            every: of so many sentences one is translated.
        """
        if len(self.settings) == 1:
            return dict.fromkeys(self.beams, self.settings[0])
        with self.running(task) as process:
            return {beam: self._quickest(process, beam, seconds, every) for beam in self.beams}

    def _quickest(self, process: Process, beam: int, seconds: float, every: int) -> Setting:
        def rate(setting: Setting) -> float:
            process.lap(Lap(setting, beam, every))
            lap = process.lap(Lap(setting, beam, every, seconds))
            return float(lap["sentences"] / lap["seconds"])

        return max(self.settings, key=rate)


def contestants(tutorial_every: int) -> tuple[Contestant, ...]:
    """Return all; the tutorial's loop, which is slow, translates one of so many sentences."""
    # As many users as the queue holds half of, each with a sentence of its own.
    served = ({"clients": 256, "texts a request": 1},)
    graph = tuple({"batch": size, "callers": n} for n in (1, 2) for size in (64, 128, 256))
    return (
        Contestant(OURS, "predictor", "ours", ("Int8",), served),
        Contestant(OURS32, "predictor", "ours", ("Float32",), served),
        Contestant(RAW, "predictor", "raw", ("int8",), _raw_settings()),
        Contestant(RAW32, "predictor", "raw", ("float32",), _raw_settings()),
        Contestant(GRAPH, "predictor-tensorflow", "graph", (), graph),
        Contestant(TUTORIAL, "trainer_image", "tutorial", beams=(GREEDY,), every=tutorial_every),
    )


def _raw_settings() -> tuple[Setting, ...]:
    sizes = [("tokens", size) for size in (256, 512, 1024, 4096)]
    sizes += [("examples", size) for size in (16, 32, 64, 128)]
    two = [{"workers": 2, "threads of each": 1, "batch of": of, "size": n} for of, n in sizes]
    one = {"workers": 1, "threads of each": 2, "batch of": "tokens", "size": 1024}
    return (*two, one)
