"""SIGTERM and SIGINT: a wish to stop, met after the windows under way; else the end at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Stop:
    """Whether the process was asked to stop."""

    code: int = 0  # to exit with, as a shell has it: 128 and the signal's number
    patient: bool = False  # a first signal is a wish; else, and the second, is the end

    def install(self) -> None:
        """Take over the signals; a container's first process is not ended by them otherwise."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def until(self, given: Iterable[T]) -> Iterator[T]:
        """Yield what is given, up to the wish to stop."""
        for one in given:
            if self.code:
                return
            yield one

    def _handle(self, number: int, frame: FrameType | None) -> None:
        wished, self.code = self.code, 128 + number
        if wished:
            os._exit(self.code)  # an orderly end would wait for the windows under way
        if not self.patient:
            sys.exit(self.code)
