"""What is translated next: nobody is held up by how much others want, and nobody is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt_predictor.engine import Search, Source
from mt_predictor.scheduling import FairQueue, Share, Waiting, windows, work

GREEDY, WIDE = Search(1), Search(4)
ALONE = 1  # tokens of a batch: each is one sentence


def source(length: int) -> Source:
    return ("x",) * length


@dataclass(eq=False)
class Desk:
    """A queue, and who is served."""

    queue: FairQueue[str]
    now: float = 0.0

    def ask(self, name: str, *lengths: int, search: Search = GREEDY) -> None:
        share = Share()
        for length in lengths:
            self.queue.add(share, source(length), search, self.now, name)

    def take(self) -> list[str]:
        return [entry.payload for entry in self.queue.take(self.now)]

    def takes_until(self, name: str) -> int:
        """Return how many batches there are until the first that has a sentence of ``name``."""
        for count in range(1, 100_000):
            if name in self.take():
                return count
        raise AssertionError(f"{name} is not served")


def desk(max_tokens: int, max_delay: float = 0.0) -> Desk:
    return Desk(FairQueue(max_tokens, max_delay))


@pytest.mark.parametrize(
    ("books", "sentence", "batches"),
    [
        pytest.param(1, 10, 1, id="one book"),
        pytest.param(128, 10, 1, id="128 books"),
        pytest.param(1, 500, 3, id="a long one: as much of the book as its own length"),
    ],
)
def test_a_sentence_waits_for_its_own_length_of_each_other_request(
    books: int, sentence: int, batches: int
) -> None:
    at = desk(max_tokens=400)
    for number in range(books):
        at.ask(f"book {number}", *[50] * 30)
    at.ask("sentence", sentence)
    assert at.takes_until("sentence") == batches


def test_a_book_under_way_has_had_its_turn() -> None:
    at = desk(max_tokens=100)
    at.ask("book", *[50] * 1000)
    for _ in range(20):
        assert at.take() == ["book", "book"]
    at.ask("sentence", 10)
    assert "sentence" in at.take()


def test_a_stream_of_small_ones_does_not_starve_a_large_one() -> None:
    at = desk(ALONE)
    at.ask("large", 60)
    for count in range(1, 1000):
        at.ask(f"small {count}", 2)
        if at.take() == ["large"]:
            break
    assert count <= 30  # 60 / 2: as much work of others as its own


def test_a_stream_of_one_search_does_not_starve_another() -> None:
    at = desk(max_tokens=400)
    at.ask("wide", 20, search=WIDE)
    for count in range(1, 1000):
        for number in range(20):  # a full batch, each time
            at.ask(f"greedy {count}.{number}", 20)
        if at.take() == ["wide"]:
            break
    assert count <= 5  # 20 x 4 is the work of four greedy ones


def test_each_hypothesis_is_work() -> None:
    assert work(source(7), Search(4)) == 28


def test_batches_have_one_search_similar_lengths_and_the_longest_first() -> None:
    at = desk(max_tokens=12)
    for name, length in (("a4", 4), ("b1", 1), ("c4", 4), ("d1", 1), ("e4", 4)):
        at.ask(name, length)
    at.ask("wide", 1, search=WIDE)
    assert [at.take() for _ in range(3)] == [["a4", "b1", "d1"], ["c4", "e4"], ["wide"]]


def test_within_the_delay_the_longest_leads() -> None:
    at = desk(max_tokens=12, max_delay=0.005)
    at.ask("short", 1)
    at.ask("long", 12)
    assert at.take() == ["long"]
    at.ask("long", 12)
    at.now = 0.005
    assert at.take() == ["short"]


def test_what_is_longer_than_a_batch_is_one() -> None:
    at = desk(max_tokens=4)
    at.ask("long", 9)
    assert at.take() == ["long"]
    assert at.take() == []


def test_what_is_given_up_is_not_taken() -> None:
    queue: FairQueue[str] = FairQueue(100, 0.0)
    kept, gone = (queue.add(Share(), source(3), GREEDY, 0.0, name) for name in ("kept", "gone"))
    queue.discard(gone)
    queue.discard(gone)
    assert queue.take(0.0) == [kept]
    queue.discard(kept)
    assert not queue


@dataclass(eq=False)
class Asked:
    """A request of the simulation, and what was done for it."""

    work_left: int
    largest: int
    led: int = 0  # work of its sentences that led a batch


@dataclass
class Simulation:
    """A queue with at most ``places`` requests, and everything that happened in it."""

    queue: FairQueue[Asked]
    places: int
    waiting: list[Waiting[Asked]] = field(default_factory=list)
    takes: int = 0
    clock: int = 0
    came: dict[Waiting[Asked], tuple[int, int, dict[Asked, int]]] = field(default_factory=dict)

    @property
    def present(self) -> set[Asked]:
        return {entry.payload for entry in self.waiting}

    def arrive(self, lengths: list[int], beam: int) -> None:
        if len(self.present) == self.places:
            return
        search, share = Search(beam), Share()
        costs = [work(source(length), search) for length in lengths]
        asked = Asked(sum(costs), max(costs))
        for length in lengths:
            entry = self.queue.add(share, source(length), search, 0.0, asked)
            self.waiting.append(entry)
            led = {other: other.led for other in self.present}
            self.came[entry] = (self.takes, entry.order[0] - self.clock, led)

    def take(self, max_tokens: int) -> None:
        batch = self.queue.take(0.0)
        if not batch:
            assert not self.waiting
            return
        self.takes += 1
        leader = min(batch, key=lambda entry: entry.order)
        assert leader == min(self.waiting, key=lambda entry: entry.order)
        assert len({entry.search for entry in batch}) == 1
        assert len(batch) == 1 or batch[0].length * len(batch) <= max_tokens
        self.clock = max(self.clock, leader.order[0])
        leader.payload.led += leader.length * leader.search.beam_size
        for entry in batch:
            self.waiting.remove(entry)
            self.was_fair_to(entry)

    def was_fair_to(self, entry: Waiting[Asked]) -> None:
        takes, distance, led = self.came[entry]
        assert self.takes - takes <= self.places * (distance + 1)
        for other, before in led.items():
            if other is not entry.payload:
                assert other.led - before <= distance + other.largest


_ARRIVAL = st.tuples(st.lists(st.integers(1, 8), min_size=1, max_size=12), st.integers(1, 3))
_TAKE = st.none()


@settings(suppress_health_check=list(HealthCheck), deadline=None)  # on any machine
@given(
    st.lists(_ARRIVAL | _TAKE, max_size=80),
    st.integers(1, 40),
    st.integers(min_value=1, max_value=5),
)
def test_any_sentence_is_served_after_a_bounded_number_of_batches(
    events: list[tuple[list[int], int] | None], max_tokens: int, places: int
) -> None:
    """Whatever comes later: no more than (work before it + 1) batches a place in the queue.

    And while it waits, no other request leads batches with more work than that, and a sentence.
    """
    simulation = Simulation(FairQueue(max_tokens, 0.0), places)
    for event in events:
        if event is None:
            simulation.take(max_tokens)
        else:
            simulation.arrive(*event)
    while simulation.waiting:
        simulation.take(max_tokens)
    simulation.take(max_tokens)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 20))
def test_windows_are_a_batch_each_and_leave_nothing_out(lengths: list[int], most: int) -> None:
    sources = [(source(length), GREEDY) for length in lengths]
    found = list(windows(sources, most))
    assert [one for window in found for one in window] == sources
    for window in found:
        assert len(window) == 1 or sum(len(one) for one, _ in window) <= most
