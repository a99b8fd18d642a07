"""Requests share batches: one bounded queue, batches filled by tokens, workers never wait.

  request A: s1 s2 s3 ┐             ┌ free worker ── [s1 s4]      one batch: similar lengths,
  request B: s4       ├─▶ waiting ──┤                              same search, ≤ max_tokens padded
  request C: s5 … s99 ┘             └ free worker ── [s5 … s20]

A worker that is free takes what is there at once. The sentence that has waited longest leads the
next batch if that is longer than ``max_delay``, else the longest one leads, for less padding. A
request gives the queue one batch's worth at a time, so a book does not keep a sentence waiting.

All state belongs to one event loop; only ``run`` is called in other threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

from mt_predictor.engine import Hypothesis, Search, Source

_LOOK_AHEAD = (
    1024  # sentences that compete for a batch: more make no better one, but a slower choice
)

Run = Callable[[Sequence[Source], Search], Sequence[Hypothesis]]
_log = logging.getLogger(__name__)


class QueueFullError(Exception):
    """As many requests as may wait are waiting already."""


class TranslationFailedError(Exception):
    """The engine cannot translate this one sentence, not even alone."""


@dataclass(eq=False)
class Ticket:
    """A request from its admission to its answer."""

    waiting: bool = True  # until the first of its sentences is at work


@dataclass(eq=False)
class _Item:
    source: Source
    search: Search
    ticket: Ticket
    arrived: float
    future: asyncio.Future[Hypothesis]


@dataclass(frozen=True)
class Limits:
    """Bounds of queue and batches."""

    workers: int
    max_tokens: int  # of a batch, padding included
    max_delay: float  # seconds that others may be preferred for
    max_queue: int  # requests that wait


class Batcher:
    """Translates sentences of many requests in batches."""

    def __init__(
        self,
        run: Run,
        limits: Limits,
        executor: Executor,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._run = run
        self._limits = limits
        self._executor = executor
        self._on_batch = on_batch
        self._free = limits.workers
        self._items: list[_Item] = []  # oldest first
        self._waiting = 0
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Return how many requests wait for a worker."""
        return self._waiting

    @contextmanager
    def admitted(self) -> Iterator[Ticket]:
        """Give a request its place in the queue, for as long as it is in the house.

        Raises:
            QueueFullError: there is none.
        """
        if self._waiting >= self._limits.max_queue:
            raise QueueFullError(f"{self._waiting} requests are waiting already")
        ticket = Ticket()
        self._waiting += 1
        try:
            yield ticket
        finally:
            self._started(ticket)

    async def translate(
        self, ticket: Ticket, sources: Sequence[tuple[Source, Search]]
    ) -> list[Hypothesis | TranslationFailedError]:
        """Return a result for each of ``sources`` (tokens, and how), in order.

        A sentence that cannot be translated is answered with its error and harms no other. When
        the caller is cancelled, what has not begun is not begun.
        """
        found: list[Hypothesis | TranslationFailedError] = []
        for window in _windows(sources, self._limits.max_tokens):
            items = [self._add(ticket, source, search) for source, search in window]
            try:
                await asyncio.wait([item.future for item in items])
            finally:
                for item in items:
                    item.future.cancel()  # changes nothing where there is a result
            found.extend(_outcome(item.future) for item in items)
        return found

    def _add(self, ticket: Ticket, source: Source, search: Search) -> _Item:
        loop = asyncio.get_running_loop()
        item = _Item(source, search, ticket, loop.time(), loop.create_future())
        self._items.append(item)
        if not self._scheduled:  # after all of this request's sentences are in the queue
            self._scheduled = True
            loop.call_soon(self._dispatch)
        return item

    def _dispatch(self) -> None:
        self._scheduled = False
        self._items = [item for item in self._items if not item.future.done()]
        now = asyncio.get_running_loop().time()
        while self._free and self._items:
            batch = choose(self._items[:_LOOK_AHEAD], self._limits, now)
            taken = set(map(id, batch))
            self._items = [item for item in self._items if id(item) not in taken]
            self._free -= 1
            for item in batch:
                self._started(item.ticket)
            task = asyncio.get_running_loop().create_task(self._work(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, batch: Sequence[_Item]) -> None:
        self._on_batch(len(batch))
        await self._translate(batch)
        self._free += 1
        self._dispatch()

    async def _translate(self, batch: Sequence[_Item]) -> None:
        loop = asyncio.get_running_loop()
        sources = [item.source for item in batch]
        try:
            results = await loop.run_in_executor(
                self._executor, self._run, sources, batch[0].search
            )
            for item, result in zip(batch, results, strict=True):
                if not item.future.done():
                    item.future.set_result(result)
        except Exception as error:
            if len(batch) > 1:  # one of them is at fault: each has to stand alone
                for item in batch:
                    await self._translate([item])
                return
            name = type(error).__name__
            _log.error("a sentence of %d tokens failed: %s", len(sources[0]), name)
            if not batch[0].future.done():
                batch[0].future.set_exception(TranslationFailedError(f"the engine failed: {name}"))

    def _started(self, ticket: Ticket) -> None:
        if ticket.waiting:
            ticket.waiting = False
            self._waiting -= 1


def choose(items: Sequence[_Item], limits: Limits, now: float) -> list[_Item]:
    """Return the next batch out of ``items`` (oldest first, not empty), longest first.

    Its leader decides the search; others join it, the nearest in length first, as long as all fit.
    """
    overdue = now - items[0].arrived >= limits.max_delay
    leader = items[0] if overdue else max(items, key=lambda item: len(item.source))
    length = len(leader.source)
    others = [item for item in items if item is not leader and item.search == leader.search]
    others.sort(key=lambda item: abs(len(item.source) - length))  # stable: older ones first
    batch, longest = [leader], length
    for item in others:
        wider = max(longest, len(item.source))
        if wider * (len(batch) + 1) > limits.max_tokens:
            break
        batch.append(item)
        longest = wider
    return sorted(batch, key=lambda item: -len(item.source))


def _windows(
    sources: Sequence[tuple[Source, Search]], max_tokens: int
) -> Iterator[Sequence[tuple[Source, Search]]]:
    """Yield runs of ``sources`` with at most ``max_tokens`` in all, and at least one each."""
    begin, tokens = 0, 0
    for end, (source, _) in enumerate(sources):
        if end > begin and tokens + len(source) > max_tokens:
            yield sources[begin:end]
            begin, tokens = end, 0
        tokens += len(source)
    if begin < len(sources):
        yield sources[begin:]


def _outcome(future: asyncio.Future[Hypothesis]) -> Hypothesis | TranslationFailedError:
    error = future.exception()
    if error is None:
        return future.result()
    assert isinstance(error, TranslationFailedError)  # nothing else is ever set
    return error
