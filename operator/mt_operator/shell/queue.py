"""Which key is next: wake-ups coalesce, each key backs off alone, none runs twice at once.

``Schedule`` is pure and knows moments only as numbers; ``Queue`` waits for them.

    idle ──wake──▶ due at a moment ──take──▶ running ──done──▶ due again, or forgotten
                        ▲ never before its floor      └─ woken meanwhile: due at once again
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar


class Key(NamedTuple):
    """An object that is looked after."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


K = TypeVar("K")
GAP = 0.2  # seconds between two looks at one key: its own writes wake it as well
BACKOFF_BASE, BACKOFF_CAP = 0.5, 300.0


@dataclass
class _Entry:
    due: float | None = None  # None: waits for a wake-up
    floor: float = 0.0  # not before this moment, whoever asks
    running: bool = False
    again: bool = False  # woken while running
    failures: int = 0


class Schedule(Generic[K]):
    """The moments at which keys are due."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: dict[K, _Entry] = {}
        self._heap: list[tuple[float, int, K]] = []  # may hold outdated moments
        self._counter = 0

    def __len__(self) -> int:
        return len(self._entries)

    def wake(self, key: K, now: float) -> None:
        """Have ``key`` looked at as soon as it may be."""
        entry = self._entries.setdefault(key, _Entry())
        if entry.running:
            entry.again = True
        else:
            self._set(key, entry, now)

    def take(self, now: float) -> K | None:
        """Return the key that is due for longest, and mark it as running."""
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            entry = self._entries.get(key)
            if entry is not None and not entry.running and entry.due == due:
                entry.due, entry.running, entry.again = None, True, False
                return key
        return None

    def done(self, key: K, now: float, *, after: float | None = None) -> None:
        """End a look that went well; look again after so many seconds, at the latest."""
        self._end(key, now, after, floor=now + GAP, failures=0)

    def failed(self, key: K, now: float, *, at_least: float, hard: bool, jitter: float) -> float:
        """End a look that failed, and return in how many seconds the next one comes.

        Args:
            key: the key.
            now: this moment.
            at_least: seconds that the server asked for.
            hard: no wake-up makes the next look come sooner.
            jitter: a number from 0 to 1, so that keys that failed together do not come together.
        """
        failures = self._entries[key].failures + 1
        step = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(failures - 1, 20))
        after = max(at_least, step * (0.5 + jitter / 2))
        floor = now + after if hard else now + GAP
        self._end(key, now, after, floor=floor, failures=failures)
        return after

    def forget(self, key: K, now: float) -> None:
        """End a look at something that is gone."""
        entry = self._entries.pop(key)
        if entry.again:  # another object of that name came meanwhile
            self.wake(key, now)

    def next_due(self) -> float | None:
        """Return the earliest moment at which something may be due."""
        return self._heap[0][0] if self._heap else None

    def overdue(self, now: float) -> float:
        """Return for how many seconds the key that waits for longest has been due."""
        moments = (e.due for e in self._entries.values() if e.due is not None)
        return max(0.0, now - min(moments, default=now))

    def waiting(self, now: float) -> int:
        """Return how many keys are due."""
        return sum(e.due is not None and e.due <= now for e in self._entries.values())

    def _end(self, key: K, now: float, after: float | None, *, floor: float, failures: int) -> None:
        entry = self._entries[key]
        entry.running, entry.floor, entry.failures = False, floor, failures
        if after is not None:
            self._set(key, entry, now + after)
        if entry.again:
            self._set(key, entry, now)

    def _set(self, key: K, entry: _Entry, moment: float) -> None:
        moment = max(moment, entry.floor)
        if entry.due is None or moment < entry.due:
            entry.due = moment
            self._counter += 1
            heapq.heappush(self._heap, (moment, self._counter, key))


class Queue:
    """A Schedule of keys against a clock, for workers of one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin empty; ``clock`` returns seconds and never goes back."""
        self._schedule: Schedule[Key] = Schedule()
        self._clock = clock
        self._changed = asyncio.Event()

    def wake(self, key: Key) -> None:
        """Have ``key`` looked at soon."""
        self._schedule.wake(key, self._clock())
        self._changed.set()

    async def take(self) -> Key:
        """Wait until a key is due and return it; its look ends with done, failed or forget."""
        while True:
            now = self._clock()
            key = self._schedule.take(now)
            if key is not None:
                return key
            self._changed.clear()
            due = self._schedule.next_due()
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - now)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: Key, after: float | None) -> None:
        """End a look that went well; look again after so many seconds, at the latest."""
        self._schedule.done(key, self._clock(), after=after)
        self._changed.set()

    def failed(self, key: Key, at_least: float = 0.0, hard: bool = False) -> float:
        """End a look that failed, and return in how many seconds the next one comes."""
        jitter = random.random()  # spreads load, guards no secret
        now = self._clock()
        seconds = self._schedule.failed(key, now, at_least=at_least, hard=hard, jitter=jitter)
        self._changed.set()
        return seconds

    def forget(self, key: Key) -> None:
        """End a look at something that is gone."""
        self._schedule.forget(key, self._clock())
        self._changed.set()

    def waiting(self) -> int:
        """Return how many keys are due."""
        return self._schedule.waiting(self._clock())

    def overdue(self) -> float:
        """Return for how many seconds the key that waits for longest has been due."""
        return self._schedule.overdue(self._clock())
