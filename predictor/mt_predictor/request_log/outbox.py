"""A bounded queue of events, emptied by a few that send: whoever puts one in never waits.

What there is no room for is dropped, the newest first, and counted; nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

from mt_predictor.request_log.events import Event


class Outcome(StrEnum):
    """What became of an event."""

    SENT = "sent"
    REFUSED = "refused"  # the sink answered, and not with 2xx
    FAILED = "failed"  # it did not, or not in time
    DROPPED = "dropped"  # there was no room for it, or no time left


_log = logging.getLogger(__name__)
Deliver = Callable[[Event], Awaitable[Outcome]]  # raises nothing
Count = Callable[[Outcome, int], None]


@dataclass(frozen=True)
class Bounds:
    """What may be held, waiting and being sent together, and how many are sent at once."""

    events: int = 1000
    size: int = 16 << 20  # bytes
    senders: int = 8
    last_seconds: float = 2.0  # after the last answer


class Outbox:
    """Events on their way."""

    def __init__(self, count: Count, bounds: Bounds) -> None:
        self._count = count
        self._bounds = bounds
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._events = 0
        self._size = 0
        for outcome in Outcome:
            count(outcome, 0)  # a rate needs a first value

    def put(self, event: Event) -> None:
        """Take an event, or drop it."""
        fits = self._size + event.size <= self._bounds.size
        if not fits or self._events >= self._bounds.events:
            self._count(Outcome.DROPPED, 1)
            return
        self._events += 1
        self._size += event.size
        self._queue.put_nowait(event)

    @asynccontextmanager
    async def emptied(self, deliver: Deliver) -> AsyncIterator[None]:
        """Send until the block ends; then what is left, for a while, and drop the rest."""
        senders = [asyncio.create_task(self._send(deliver)) for _ in range(self._bounds.senders)]
        try:
            yield
            with suppress(TimeoutError):
                await asyncio.wait_for(self._queue.join(), self._bounds.last_seconds)
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
            if self._events:
                _log.warning("stopped: %d events of the request log were not sent", self._events)
            self._count(Outcome.DROPPED, self._events)

    async def _send(self, deliver: Deliver) -> None:
        while True:
            event = await self._queue.get()
            outcome = await deliver(event)
            self._events -= 1
            self._size -= event.size
            self._count(outcome, 1)
            self._queue.task_done()
