"""Tells the story: colour and a live line on terminals, plain lines with the time elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.rule import Rule
from rich.status import Status
from rich.table import Table
from rich.text import Text

QUIET_SECONDS = 10.0  # where there is no terminal, a changing line is printed at most this often


class Narrator:
    """Says what happens. Times are seconds since the story began."""

    def __init__(self, console: Console | None = None) -> None:
        """Print to ``console``, by default standard output."""
        width = None if sys.stdout.isatty() else 140
        self.console = console or Console(highlight=False, width=width)
        self._begun = time.monotonic()
        self._status: Status | None = None
        self._stage, self._last, self._last_time = "", "", 0.0

    @property
    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._begun

    def act(self, title: str) -> None:
        """Begin a chapter."""
        self.console.print()
        self.console.print(Rule(f"[bold]{title}", align="left", style="cyan"))

    def say(self, text: str, style: str = "") -> None:
        """Say what happened."""
        minutes, seconds = divmod(int(self.elapsed), 60)
        self.console.print(f"[dim]{minutes:2}:{seconds:02}[/dim]  ", end="")
        self.console.print(text, style=style, markup=False, soft_wrap=True)

    def good(self, text: str) -> None:
        """Say that a promise was kept."""
        self.say(f"✓ {text}", "green")

    def bad(self, text: str) -> None:
        """Say that a promise was broken."""
        self.say(f"✗ {text}", "bold red")

    def command(self, text: str) -> None:
        """Show a command that a person would type."""
        self.say(f"$ {text}", "bold yellow")

    def show(self, text: str) -> None:
        """Show what a command printed."""
        for line in text.rstrip().splitlines():
            self.console.print(f"         {line}", style="dim", markup=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Show a table."""
        self.console.print()
        self.console.print(table)

    @contextmanager
    def live(self, text: str) -> Iterator[None]:
        """Keep a line on the terminal that ``progress`` changes, until the block ends."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status(Text(text)) as self._status:
            yield
        self._status = None

    def stage(self, text: str) -> None:
        """Say in which stage the candidate is, once."""
        if text and text != self._stage:
            self.say(f"→ {text}")
        self._stage = text

    def progress(self, text: str) -> None:
        """Say what goes on just now; said again and again, it does not fill the page."""
        if self._status:
            self._status.update(Text(text))
            return
        moment = time.monotonic()
        if text not in (self._last, self._stage) and moment - self._last_time >= QUIET_SECONDS:
            self._last, self._last_time = text, moment
            self.say(f"… {text}")
