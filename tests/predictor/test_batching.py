"""How requests share batches, step by step: workers finish when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from mt_predictor.admission import QueueFullError
from mt_predictor.batching import Batcher, Limits, TranslationFailedError
from mt_predictor.engine import Hypothesis, Search, Source

POISON = "poison"


class Workers(Executor):
    """Threads' stand-in: work is recorded, and done when the test asks for it.

    A sentence takes a millisecond for each of its tokens.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.at_work: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.at_work.append((future, fn, args))
        return future

    def batches(self) -> list[list[str]]:
        return [["".join(source) for source in args[0]] for _, _, args in self.at_work]

    async def finish(self) -> None:
        """Do the oldest work, and let the loop notice."""
        future, fn, args = self.at_work.pop(0)
        self.now += sum(map(len, args[0])) / 1000
        try:
            future.set_result(fn(*args))
        except RuntimeError as error:
            future.set_exception(error)
        await settle()

    async def finish_all(self) -> None:
        while self.at_work:
            await self.finish()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def source(text: str) -> Source:
    return tuple(text)


def shout(sources: Sequence[Source], search: Search) -> list[Hypothesis]:
    """The engine's stand-in: refuses poison, with all its company."""
    if source(POISON) in sources:
        raise RuntimeError("cannot")
    return [Hypothesis((*one, str(search.beam_size)), 0.0, 1, True) for one in sources]


def batcher(executor: Workers, /, **limits: Any) -> Batcher:
    given = {"workers": 1, "max_tokens": 12, "max_delay": 0.0, "max_queue": 10, "max_wait": 1e9}
    return Batcher(shout, Limits(**given | limits), executor, clock=lambda: executor.now)


async def ask(batching: Batcher, *texts: str, beam_size: int = 1) -> list[str]:
    with batching.admitted(sum(map(len, texts)) * beam_size) as ticket:
        search = Search(beam_size)
        found = await batching.translate(ticket, [(source(text), search) for text in texts])
    return [
        "error" if isinstance(one, TranslationFailedError) else "".join(one.pieces) for one in found
    ]


def start(batching: Batcher, *texts: str, beam_size: int = 1) -> asyncio.Task[list[str]]:
    return asyncio.create_task(ask(batching, *texts, beam_size=beam_size))


async def test_a_lone_request_starts_at_once() -> None:
    workers = Workers()
    task = start(batcher(workers, max_delay=3600.0), "abc")
    await settle()
    assert workers.batches() == [["abc"]]
    await workers.finish()
    assert await task == ["abc1"]


async def test_instances_of_a_request_share_a_batch_longest_first() -> None:
    workers = Workers()
    task = start(batcher(workers), "ab", "abcd", "abc")
    await settle()
    assert workers.batches() == [["abcd", "abc", "ab"]]
    await workers.finish()
    assert await task == ["ab1", "abcd1", "abc1"]


async def test_what_waits_shares_the_next_batch_up_to_its_padded_tokens() -> None:
    workers = Workers()
    batching = batcher(workers)
    tasks = [start(batching, text) for text in ("x", "aaaa", "bbb", "cccc", "dddd")]
    await settle()
    assert workers.batches() == [["aaaa", "bbb", "x"]]  # 3 x 4 tokens, with padding
    await workers.finish()
    assert workers.batches() == [["cccc", "dddd"]]
    await workers.finish()
    assert [await task for task in tasks] == [["x1"], ["aaaa1"], ["bbb1"], ["cccc1"], ["dddd1"]]


async def test_batches_are_filled_with_similar_lengths() -> None:
    workers = Workers()
    batching = batcher(workers)
    first = start(batching, "x" * 12)
    await settle()
    others = [start(batching, text) for text in ("aaaa", "bbbbb", "cccc", "ddddd", "eeee")]
    await settle()
    await workers.finish()
    assert workers.batches() == [["aaaa", "cccc", "eeee"]]  # 12 tokens, none of them padding
    await workers.finish()
    assert workers.batches() == [["bbbbb", "ddddd"]]
    await workers.finish()
    await asyncio.gather(first, *others)


async def test_who_waited_long_leads_else_the_longest() -> None:
    for max_delay, expected in ((0.0, ["b"]), (3600.0, ["cccccccccccc"])):
        workers = Workers()
        batching = batcher(workers, max_delay=max_delay)
        tasks = [start(batching, "x" * 12)]
        await settle()
        tasks += [start(batching, "b"), start(batching, "c" * 12)]
        await settle()
        await workers.finish()
        assert workers.batches() == [expected]
        await workers.finish_all()
        await asyncio.gather(*tasks)


async def test_beams_do_not_mix() -> None:
    workers = Workers()
    batching = batcher(workers, workers=2)
    tasks = [start(batching, "aa", beam_size=1), start(batching, "bb", beam_size=4)]
    await settle()
    assert workers.batches() == [["aa"], ["bb"]]
    await workers.finish_all()
    assert [await task for task in tasks] == [["aa1"], ["bb4"]]


async def test_poison_harms_no_neighbour() -> None:
    workers = Workers()
    batching = batcher(workers, max_tokens=100)
    first = start(batching, "x" * 100)
    await settle()
    neighbours = [start(batching, text) for text in ("before", POISON, "after")]
    await settle()
    await workers.finish()
    assert len(workers.batches()[0]) == 3
    await workers.finish_all()
    answers = [await task for task in neighbours]
    assert answers == [["before1"], ["error"], ["after1"]]
    assert await start_and_finish(batching, workers, "fine") == ["fine1"]
    await first


async def start_and_finish(batching: Batcher, workers: Workers, text: str) -> list[str]:
    task = start(batching, text)
    await settle()
    await workers.finish_all()
    return await task


async def test_a_book_does_not_keep_a_sentence_waiting() -> None:
    workers = Workers()
    batching = batcher(workers)
    book = start(batching, *["abcd"] * 30)  # ten batches
    await settle()
    sentence = start(batching, "hi")
    await settle()
    await workers.finish()
    await workers.finish()
    assert sentence.done()
    assert not book.done()
    await workers.finish_all()
    assert await book == ["abcd1"] * 30


async def test_a_book_keeps_all_workers_busy_and_the_queue_short() -> None:
    workers = Workers()
    batching = batcher(workers, workers=3)
    book = start(batching, *["abcd"] * 60)  # twenty batches
    await settle()
    assert workers.batches() == [["abcd"] * 3] * 3
    for _ in range(3):
        await workers.finish()
        assert workers.batches() == [["abcd"] * 3] * 3
    await workers.finish_all()
    assert await book == ["abcd1"] * 60


async def test_a_full_queue_refuses_and_recovers() -> None:
    workers = Workers()
    batching = batcher(workers, max_queue=2, max_tokens=3)
    tasks = [start(batching, "abc")]
    await settle()
    tasks += [start(batching, "abc") for _ in range(2)]
    await settle()
    assert batching.waiting == 2
    with pytest.raises(QueueFullError, match="2 requests are waiting"):
        await ask(batching, "abc")
    await workers.finish_all()
    assert [await task for task in tasks] == [["abc1"]] * 3
    assert batching.waiting == 0


async def test_what_a_client_gave_up_on_is_not_begun() -> None:
    workers = Workers()
    batching = batcher(workers, max_tokens=3)
    first = start(batching, "abc")
    await settle()
    given_up, kept = start(batching, "bad"), start(batching, "xyz")
    await settle()
    given_up.cancel()
    await settle()
    assert batching.waiting == 1
    await workers.finish()
    assert workers.batches() == [["xyz"]]
    await workers.finish()
    assert [await first, await kept] == [["abc1"], ["xyz1"]]
    assert given_up.cancelled()


async def test_giving_up_on_what_is_at_work_frees_its_worker() -> None:
    workers = Workers()
    batching = batcher(workers)
    given_up = start(batching, "abc")
    await settle()
    given_up.cancel()
    await settle()
    await workers.finish()
    assert await start_and_finish(batching, workers, "xyz") == ["xyz1"]


async def test_nothing_asked_nothing_done() -> None:
    workers = Workers()
    assert await ask(batcher(workers)) == []
    assert workers.at_work == []


async def test_what_would_wait_too_long_is_refused_and_told_when_to_come_back() -> None:
    workers = Workers()
    batching = batcher(workers, max_wait=2.0)
    assert await start_and_finish(batching, workers, "x" * 1000) == ["x" * 1000 + "1"]  # the pace
    books = [start(batching, *["abcd"] * 500), start(batching, *["abcd"] * 500)]
    await settle()
    with pytest.raises(QueueFullError, match=r"4 s of work are waiting already") as refused:
        await ask(batching, *["abcd"] * 500)
    assert refused.value.retry_after == 4
    sentence = start(batching, "hi")  # it waits for no more of them than it has itself
    await settle()
    await workers.finish()
    await workers.finish()
    assert sentence.done()
    await workers.finish_all()
    await asyncio.gather(*books)
    third = start(batching, *["abcd"] * 500)
    await settle()
    await workers.finish_all()
    assert len(await third) == 500


async def test_a_lone_book_is_admitted_whatever_its_size() -> None:
    workers = Workers()
    book = start(batcher(workers, max_wait=0.0), *["abcd"] * 3000)
    await settle()
    await workers.finish_all()
    assert len(await book) == 3000


async def test_a_book_that_is_given_up_makes_room_at_once() -> None:
    workers = Workers()
    batching = batcher(workers, max_wait=2.0)
    assert await start_and_finish(batching, workers, "x" * 1000) == ["x" * 1000 + "1"]
    given_up = start(batching, *["abcd"] * 1000)
    await settle()
    with pytest.raises(QueueFullError):
        await ask(batching, *["abcd"] * 1000)
    given_up.cancel()
    await settle()
    other = start(batching, "hi")
    await settle()
    await workers.finish()  # the book's only batch that had begun
    assert workers.batches() == [["hi"]]
    await workers.finish()
    assert await other == ["hi1"]


async def test_a_full_queue_says_how_long_it_takes() -> None:
    workers = Workers()
    batching = batcher(workers, max_queue=3, max_tokens=2000)
    assert await start_and_finish(batching, workers, "x" * 1000) == ["x" * 1000 + "1"]
    tasks = [start(batching, "x" * 2000)]
    await settle()
    tasks += [start(batching, "x" * 2000) for _ in range(3)]
    await settle()
    with pytest.raises(QueueFullError) as refused:
        await ask(batching, "hi")
    assert refused.value.retry_after == 6  # 3 x 2 s; the first is at work
    await workers.finish_all()
    await asyncio.gather(*tasks)
