"""Which sentences are translated next: fair between requests, in batches of similar lengths.

Every sentence in the queue has a tag, as a packet has in self-clocked fair queueing (Golestani,
"A self-clocked fair queueing scheme for broadband applications", INFOCOM 1994):

  tag = max(clock, tag of the sentence before it in its request) + its work

  a book     s1: 50   s2: 100   s3: 150 …      the lowest tag leads the next batch, and the clock
  a sentence s1: 10                            is there: whoever comes later has a higher tag

A sentence of work w is therefore behind no more than w of each other request, however much that
has, and what comes later cannot be preferred to it for ever. Work is not time: others of its search
that are about as long join the leader, as a batch costs little more than its longest sentence.

No clock, no tasks: the time is an argument.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mt_predictor.engine import Search, Source

LOOK_AHEAD = (
    1024  # sentences that compete for a batch: more make no better one, but a slower choice
)

T = TypeVar("T")


@dataclass(eq=False)
class Share:
    """Where a request is in the queue's time."""

    tag: int = 0  # of its last sentence


@dataclass(frozen=True, eq=False, slots=True)
class Waiting(Generic[T]):
    """A sentence in the queue."""

    order: tuple[int, int]  # tag; among equals the older one is first
    length: int  # tokens
    search: Search
    arrived: float
    payload: T


class FairQueue(Generic[T]):
    """The sentences that wait."""

    def __init__(self, max_tokens: int, max_delay: float) -> None:
        """Make an empty queue.

        Args:
            max_tokens: of a batch, padding included.
            max_delay: seconds that the next may be passed over for a longer one, for less padding.
        """
        self._max_tokens = max_tokens
        self._max_delay = max_delay
        self._queues: dict[Search, list[Waiting[T]]] = {}  # none of them empty
        self._clock = 0
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def add(
        self, share: Share, source: Source, search: Search, now: float, payload: T
    ) -> Waiting[T]:
        """Put the next sentence of a request into the queue."""
        share.tag = max(self._clock, share.tag) + work(source, search)
        self._count += 1
        entry = Waiting((share.tag, self._count), len(source), search, now, payload)
        insort(self._queues.setdefault(search, []), entry, key=_order)
        return entry

    def discard(self, entry: Waiting[T]) -> None:
        """Forget a sentence, if it waits."""
        queue = self._queues.get(entry.search, [])
        at = bisect_left(queue, entry.order, key=_order)
        if at < len(queue) and queue[at] is entry:
            del queue[at]
            self._tidy(entry.search)

    def take(self, now: float) -> list[Waiting[T]]:
        """Take the next batch out of the queue, longest first; nothing if nothing waits.

        The sentence with the lowest tag leads it and decides the search, unless it came less than
        ``max_delay`` ago: then the longest of its search does.
        """
        if not self._queues:
            return []
        first = min((queue[0] for queue in self._queues.values()), key=_order)
        self._clock = max(self._clock, first.order[0])
        queue = self._queues[first.search]
        head = queue[:LOOK_AHEAD]
        overdue = now - first.arrived >= self._max_delay
        leader = first if overdue else max(head, key=_length)
        batch = fill(leader, head, self._max_tokens)
        taken = set(batch)
        queue[:LOOK_AHEAD] = [entry for entry in head if entry not in taken]
        self._tidy(first.search)
        return batch

    def _tidy(self, search: Search) -> None:
        if not self._queues[search]:
            del self._queues[search]


def work(source: Source, search: Search) -> int:
    """Return what a sentence costs: its tokens, for each hypothesis that is followed."""
    return len(source) * search.beam_size


def fill(leader: Waiting[T], head: Sequence[Waiting[T]], max_tokens: int) -> list[Waiting[T]]:
    """Return ``leader`` and who joins it: the nearest in length, as long as all fit.

    Args:
        leader: is taken even if it does not fit alone.
        head: who may join, the lowest tag first.
        max_tokens: of the batch, padding included.
    """
    others = [entry for entry in head if entry is not leader]
    others.sort(key=lambda entry: abs(entry.length - leader.length))  # stable: lower tags first
    batch, longest = [leader], leader.length
    for entry in others:
        wider = max(longest, entry.length)
        if wider * (len(batch) + 1) > max_tokens:
            break
        batch.append(entry)
        longest = wider
    return sorted(batch, key=_length, reverse=True)


def windows(
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


def _order(entry: Waiting[T]) -> tuple[int, int]:
    return entry.order


def _length(entry: Waiting[T]) -> int:
    return entry.length
