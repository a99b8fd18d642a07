"""Requests share batches: one bounded queue, batches filled by tokens, workers never wait.

  request A: s1 s2 s3 ┐             ┌ free worker ── [s1 s4]      one batch: similar lengths,
  request B: s4       ├─▶ waiting ──┤                              same search, ≤ max_tokens padded
  request C: s5 … s99 ┘             └ free worker ── [s5 … s20]

A worker that is free takes what is there at once. What that is, scheduling.py says; who may come
in, admission.py. All state belongs to one event loop; only ``run`` is called in other threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from mt_predictor.admission import MAX_WAIT, Pace, QueueFullError, ahead, retry_after
from mt_predictor.engine import Hypothesis, Search, Source
from mt_predictor.scheduling import FairQueue, Share, Waiting, windows, work

Run = Callable[[Sequence[Source], Search], Sequence[Hypothesis]]
_log = logging.getLogger(__name__)


class TranslationFailedError(Exception):
    """The engine cannot translate this one sentence, not even alone."""


@dataclass(eq=False)
class Ticket:
    """A request from its admission to its answer."""

    left: int  # work that is not begun; before its sentences are known, an estimate
    waiting: bool = True  # until the first of its sentences is at work
    share: Share = field(default_factory=Share)


@dataclass(eq=False)
class _Item:
    source: Source
    search: Search
    ticket: Ticket
    future: asyncio.Future[Hypothesis]


@dataclass(frozen=True)
class Limits:
    """Bounds of queue and batches."""

    workers: int
    max_tokens: int  # of a batch, padding included
    max_delay: float  # seconds that others may be preferred for
    max_queue: int  # requests that wait
    max_wait: float = MAX_WAIT  # seconds of work that a request may find before it


class Batcher:
    """Translates sentences of many requests in batches."""

    def __init__(
        self,
        run: Run,
        limits: Limits,
        executor: Executor,
        on_batch: Callable[[int], None] = lambda size: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._run = run
        self._limits = limits
        self._executor = executor
        self._on_batch = on_batch
        self._clock = clock
        self._pace = Pace()
        self._free = limits.workers
        self._queue: FairQueue[_Item] = FairQueue(limits.max_tokens, limits.max_delay)
        self._tickets: set[Ticket] = set()
        self._waiting = 0
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Return how many requests wait for a worker."""
        return self._waiting

    @contextmanager
    def admitted(self, estimate: int = 0) -> Iterator[Ticket]:
        """Give a request its place in the queue, for as long as it is in the house.

        Args:
            estimate: its work, as far as that can be known before anything is done for it.

        Raises:
            QueueFullError: there is none.
        """
        self._check(estimate)
        ticket = Ticket(estimate)
        self._tickets.add(ticket)
        self._waiting += 1
        try:
            yield ticket
        finally:
            self._started(ticket)
            self._tickets.discard(ticket)

    async def translate(
        self, ticket: Ticket, sources: Sequence[tuple[Source, Search]]
    ) -> list[Hypothesis | TranslationFailedError]:
        """Return a result for each of ``sources`` (tokens, and how), in order.

        A sentence that cannot be translated is answered with its error and harms no other. When
        the caller is cancelled, what has not begun is not begun. The queue is given one batch's
        worth for each worker at a time, and one more: a book does not make it long.
        """
        ticket.left = sum(work(source, search) for source, search in sources)
        found: list[Hypothesis | TranslationFailedError] = []
        under_way: deque[list[Waiting[_Item]]] = deque()
        try:
            for window in windows(sources, self._limits.max_tokens):
                under_way.append([self._add(ticket, *sentence) for sentence in window])
                if len(under_way) > self._limits.workers:
                    found += await _outcomes(under_way[0])
                    under_way.popleft()
            for entries in under_way:
                found += await _outcomes(entries)
        finally:
            for entries in under_way:
                for entry in entries:
                    self._queue.discard(entry)
                    entry.payload.future.cancel()  # changes nothing where there is a result
        return found

    def _check(self, estimate: int) -> None:
        left = [ticket.left for ticket in self._tickets]
        if self._waiting >= self._limits.max_queue:
            text = f"{self._waiting} requests are waiting already"
            raise QueueFullError(text, retry_after(self._seconds(sum(left))))
        seconds = self._seconds(ahead(left, estimate))
        if seconds > self._limits.max_wait:
            text = f"{seconds:.0f} s of work are waiting already"
            raise QueueFullError(text, retry_after(seconds))

    def _seconds(self, amount: int) -> float:
        return self._pace.seconds_for(amount, self._limits.workers)

    def _add(self, ticket: Ticket, source: Source, search: Search) -> Waiting[_Item]:
        loop = asyncio.get_running_loop()
        item = _Item(source, search, ticket, loop.create_future())
        entry = self._queue.add(ticket.share, source, search, self._clock(), item)
        if not self._scheduled:  # after all of this request's sentences are in the queue
            self._scheduled = True
            loop.call_soon(self._dispatch)
        return entry

    def _dispatch(self) -> None:
        self._scheduled = False
        while self._free and self._queue:
            batch = [entry.payload for entry in self._queue.take(self._clock())]
            self._free -= 1
            for item in batch:
                self._started(item.ticket)
                item.ticket.left -= work(item.source, item.search)
            task = asyncio.get_running_loop().create_task(self._work(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, batch: Sequence[_Item]) -> None:
        self._on_batch(len(batch))
        begun = self._clock()
        await self._translate(batch)
        amount = sum(work(item.source, item.search) for item in batch)
        self._pace = self._pace.after(amount, self._clock() - begun)
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


async def _outcomes(
    entries: Sequence[Waiting[_Item]],
) -> list[Hypothesis | TranslationFailedError]:
    futures = [entry.payload.future for entry in entries]
    await asyncio.wait(futures)
    return [_outcome(future) for future in futures]


def _outcome(future: asyncio.Future[Hypothesis]) -> Hypothesis | TranslationFailedError:
    error = future.exception()
    if error is None:
        return future.result()
    assert isinstance(error, TranslationFailedError)  # nothing else is ever set
    return error
