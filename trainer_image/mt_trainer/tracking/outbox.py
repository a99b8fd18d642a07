"""Delivery to a server that may be slow, down or unwilling, without the training ever waiting.

training ──▶ bounded queue ──▶ one thread ──▶ server
              (the oldest go first)  └ after a failure it calls again later, and later still
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mt_trainer.tracking.line import Line

_KEPT = 5000  # lines: 20 hours of a training
_AT_ONCE = 80  # lines a delivery
_LONGEST_PAUSE = 60.0  # seconds between two calls to a server that fails
_log = logging.getLogger(__name__)


class End(StrEnum):
    """How a training ended, as MLflow calls it."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True)
class Mail:
    """What is to be delivered; all of it again where a delivery failed half-way."""

    lines: tuple[Line, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    end: End | None = None


def pauses() -> Iterator[float]:
    """Return how long to leave a failing server alone, each time: 1 s, 2 s, 4 s … 1 min."""
    seconds = 1.0
    while True:
        yield seconds
        seconds = min(2 * seconds, _LONGEST_PAUSE)


class Outbox:
    """Takes lines and tags at any rate, and delivers them as the server bears it."""

    def __init__(
        self,
        where: str,
        deliver: Callable[[Mail], None],
        kept: int = _KEPT,
        pauses: Callable[[], Iterator[float]] = pauses,
    ) -> None:
        """Begin to deliver.

        Args:
            where: the server, for the log.
            deliver: called in a thread of its own; raises when it could not.
            kept: how many lines wait at most.
            pauses: seconds to wait after each failure in a row.
        """
        self._where, self._deliver, self._kept, self._pauses = where, deliver, kept, pauses
        self._changed = threading.Condition()
        self._lines: deque[Line] = deque()
        self._tags: dict[str, str] = {}
        self._end: End | None = None
        self._closing = False
        self._under_way = 0  # lines
        self._dropped = 0
        self._failing = False
        self._new = True  # there is something to deliver, if only that the training has begun
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Return how many lines were given up."""
        return self._dropped

    def add(self, line: Line) -> None:
        """Take a line; never waits for the server."""
        with self._changed:
            self._lines.append(line)
            self._bound()
            self._wake()

    def tell(self, tags: Mapping[str, str]) -> None:
        """Take what is known of the training now."""
        with self._changed:
            self._tags |= tags
            self._wake()

    def close(self, end: End, seconds: float) -> None:
        """Deliver what is left, for so long at most; what is not delivered then is lost."""
        with self._changed:
            self._end, self._closing = end, True
            self._wake()
        self._thread.join(seconds)
        with self._changed:
            missing = len(self._lines) + self._under_way + self._dropped
        if missing or self._thread.is_alive() or self._failing:
            _log.warning(
                "%s was not told all: %d lines of metrics are missing there, and stand in "
                "metrics.jsonl",
                self._where,
                missing,
            )

    def _wake(self) -> None:
        self._new = True
        self._changed.notify()

    def _bound(self) -> None:
        """Give up the oldest lines beyond the bound; say so once."""
        while len(self._lines) > self._kept:
            self._lines.popleft()
            self._dropped += 1
            if self._dropped == 1:
                _log.warning(
                    "%s does not take metrics: the oldest are no longer kept for it", self._where
                )

    def _work(self) -> None:
        waits = self._pauses()
        while True:
            mail, closing = self._take()
            try:
                self._deliver(mail)
            except Exception as error:
                self._put_back(mail, error)
                if closing:
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, timeout=next(waits))
            else:
                waits = self._pauses()
                with self._changed:
                    self._under_way, self._failing = 0, False
                if mail.end:
                    return

    def _take(self) -> tuple[Mail, bool]:
        """Wait for something to deliver; return it, and whether nothing will come after it."""
        with self._changed:
            self._changed.wait_for(lambda: self._new)
            lines = tuple(self._lines.popleft() for _ in range(min(_AT_ONCE, len(self._lines))))
            self._under_way, self._new = len(lines), bool(self._lines)
            tags, self._tags = self._tags, {}
            return Mail(lines, tags, None if self._lines else self._end), self._closing

    def _put_back(self, mail: Mail, error: Exception) -> None:
        if not self._failing:
            _log.warning(
                "%s does not answer as it should (%s): the training goes on, and tells it later",
                self._where,
                str(error).splitlines()[0][:300] if str(error) else type(error).__name__,
            )
        with self._changed:
            self._failing, self._under_way = True, 0
            self._lines.extendleft(reversed(mail.lines))
            self._tags = {**mail.tags, **self._tags}
            self._new = True
            self._bound()
