"""Plain progress: one line a step, with its seconds; a spinner besides where a person looks on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Prints steps to the standard error, so that the standard output stays for results."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print the title and, when the block ends well, the seconds that it took."""
        started = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(title):
                yield
        else:
            yield
        self.say(f"{title:<40} {time.monotonic() - started:6.1f} s")

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, markup=False)
