"""How a contestant of `training-throughput` is timed: it trains on, lap by lap, when it is told to.

A contestant is a process that trains without end and calls ``step`` after each step. It reads one
line a lap from standard input, the lap's length in seconds, and answers with one line of JSON; what
else it prints goes to standard error. Standard library only: it runs in every contestant's own
environment.
"""

from __future__ import annotations

import json
import os
import sys
import time


class Laps:
    """The clock of one contestant."""

    def __init__(self) -> None:
        """Take standard output for the answers."""
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.facts: dict[str, object] = {}  # told with every lap
        self._begin()

    def step(self, tokens: float, real: int = 0, padded: int = 0) -> None:
        """Count a step that is done.

        Args:
            tokens: of the target, without padding.
            real: of both sides, without padding, where that is known.
            padded: likewise, with padding.
        """
        self._tokens += tokens
        self._real += real
        self._padded += padded
        self._steps += 1
        seconds = time.perf_counter() - self._start
        if seconds < self._length:
            return
        answer = {
            "tokens": self._tokens,
            "real": self._real,
            "padded": self._padded,
            "steps": self._steps,
            "seconds": seconds,
            "cpu": time.process_time() - self._cpu,
        }
        print(json.dumps(answer | self.facts), file=self._answers, flush=True)
        self._begin()

    def _begin(self) -> None:
        """Wait for the next lap; an end of the input ends the process."""
        line = sys.stdin.readline()
        if not line:
            os._exit(0)
        self._length = float(line)
        self._tokens, self._real, self._padded, self._steps = 0.0, 0, 0, 0
        self._start, self._cpu = time.perf_counter(), time.process_time()
