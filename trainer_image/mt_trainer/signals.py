"""SIGTERM and SIGINT: a wish to stop, met after the step; outside of training, the end at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StoppedError(Exception):
    """The process was asked to stop; everything is saved."""


class Stopper:
    """Turns signals into a wish to stop, or into the end of the process."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.code = 0  # to exit with, once the wish is met
        self._patient = False

    def install(self) -> None:
        """Take over the signals; a container's first process is not ended by them otherwise."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Within this context a first signal only sets ``event``."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.code = 128 + number
        if self.event.is_set() or not self._patient:
            sys.exit(self.code)
        self.event.set()
