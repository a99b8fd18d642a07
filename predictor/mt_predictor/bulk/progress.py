"""How far a file is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

_EVERY = 10.0  # seconds between two lines where nobody draws
_WIDTH = 24
_OVER = "\r\x1b[2K"  # to the line's begin, and clear it
_log = logging.getLogger(__name__)


@dataclass
class Progress:
    """Tells of one file."""

    name: str
    whole: int  # lines
    begun: int  # lines that earlier attempts did
    stream: TextIO
    clock: Callable[[], float]
    started: float = field(init=False)
    told: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.told = self.clock()
        self.tell(self.begun)

    def tell(self, lines: int) -> None:
        """Tell that so many lines are done."""
        now = self.clock()
        is_over = lines >= self.whole
        text = sentence(self.name, lines, self.whole, lines - self.begun, now - self.started)
        if self.stream.isatty():
            end = "\n" if is_over else ""
            self.stream.write(f"{_OVER}{bar(lines, self.whole)} {text}{end}")
            self.stream.flush()
        elif is_over or lines == self.begun or now - self.told >= _EVERY:
            self.told = now
            _log.info("%s", text)


def bar(lines: int, whole: int) -> str:
    """Return how far it is, drawn."""
    full = _WIDTH * lines // max(1, whole)
    return "━" * full + "─" * (_WIDTH - full)


def sentence(name: str, lines: int, whole: int, here: int, seconds: float) -> str:
    """Return how far it is, in words.

    Args:
        name: of the file.
        lines: that are done.
        whole: lines of the file.
        here: lines that were done within ``seconds``.
        seconds: of this attempt.
    """
    told = f"{name}: {lines:,} of {whole:,} lines ({100 * lines // max(1, whole)} %)"
    if here and seconds > 0:
        rate = here / seconds
        told += f", {rate:,.0f} lines/s"
        if lines < whole:
            told += f", {span((whole - lines) / rate)} left"
    return told


def span(seconds: float) -> str:
    """Return a span of time in its two largest units."""
    whole = round(seconds)
    for unit, size, below, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {below}"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
