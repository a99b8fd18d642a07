"""How a contestant of `serving-engine` is timed: it translates the text again and again when told.

It reads one line of JSON a lap from standard input (``Lap``'s fields) and answers with one; what
else it prints goes to standard error. Standard library only: it runs in every contestant's own
environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A pass over the given texts, with a contestant's own settings and a beam size: one translation of
# each text, in order.
Pass = Callable[[Sequence[str], Mapping[str, Any], int], Sequence[str]]


@dataclass(frozen=True)
class Lap:
    """What is asked of a contestant.

    Attributes:
        setting: its own.
        beam: 1 is greedy.
        every: 1: all of the text; n: one of n sentences, of all lengths alike.
        seconds: passes are begun for as long; there is at least one.
        told: whether the translations are wanted.
    """

    setting: Mapping[str, Any]
    beam: int
    every: int = 1
    seconds: float = 0.0
    told: bool = False


def run(text: Path, one_pass: Pass) -> None:
    """Translate ``text`` (a JSON list) lap by lap until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    texts = json.loads(text.read_text(encoding="utf-8"))
    for line in sys.stdin:
        lap = Lap(**json.loads(line))
        some = [texts[row] for row in sample(texts, lap.every)]
        print(json.dumps(_timed(some, lap, one_pass)), file=answers, flush=True)
    os._exit(0)


def _timed(texts: Sequence[str], lap: Lap, one_pass: Pass) -> dict[str, Any]:
    passes, begin, cpu = 0, time.perf_counter(), time.process_time()
    while not passes or time.perf_counter() - begin < lap.seconds:
        found = one_pass(texts, lap.setting, lap.beam)
        passes += 1
    told = {"translations": list(found)} if lap.told else {}
    return told | {
        "sentences": passes * len(texts),
        "seconds": time.perf_counter() - begin,
        "cpu": time.process_time() - cpu,
        "peak_mib": peak_mib(),
    }


def sample(texts: Sequence[str], every: int) -> list[int]:
    """Return which rows are one of ``every``, evenly over the texts' lengths, in order."""
    by_length = sorted(range(len(texts)), key=lambda row: (len(texts[row]), row))
    return sorted(by_length[every // 2 :: every])


def peak_mib() -> float:
    """Return the most memory that this process ever had resident, shared pages and all."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
