"""Events on their way: bounded, counted, sent once, and never to anybody but the sink."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ports import free_ports
from tests.predictor.sinks import listening, until

from mt_predictor.request_log import sink as sink_module
from mt_predictor.request_log.events import Event
from mt_predictor.request_log.outbox import Bounds, Outbox, Outcome
from mt_predictor.request_log.sink import MAX_ANSWER, connected

SENT, REFUSED, FAILED, DROPPED = Outcome


class Counts(Counter[Outcome]):
    """What was counted."""

    def count(self, outcome: Outcome, events: int) -> None:
        self[outcome] += events


def an_event(size: int = 2000, body: bytes = b"") -> Event:
    made = Event({"ce-id": "1", "ce-endpoint": ""}, body)
    return Event(made.headers, body or b"x" * (size - made.size))


async def send(
    url: str, events: int = 1, *, seconds: float = 30.0, bounds: Bounds | None = None
) -> Counts:
    """Send events to ``url``, and return what became of them."""
    counts, bounds = Counts(), bounds or Bounds(last_seconds=60)
    outbox = Outbox(counts.count, bounds)
    async with connected(url, bounds.senders, seconds) as sink, outbox.emptied(sink.deliver):
        for _ in range(events):
            outbox.put(an_event())
    return +counts


async def test_events_reach_the_sink_once_each() -> None:
    with listening() as sink:
        assert await send(sink.url, 50) == {SENT: 50}
    assert len(sink.posted) == 50
    assert {one.path for one in sink.posted} == {"/log?team=a"}
    assert sink.posted[0].headers["ce-endpoint"] == ""


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        pytest.param({"status": 200, "answer": b"{}"}, SENT, id="200"),
        pytest.param({"status": 202}, SENT, id="202, as a broker answers"),
        pytest.param({"answer": b"x" * (MAX_ANSWER * 4)}, SENT, id="an endless answer"),
        pytest.param({"status": 500}, REFUSED, id="500"),
        pytest.param({"status": 429}, REFUSED, id="429"),
        pytest.param({"status": 413, "answer": b"too large"}, REFUSED, id="413"),
    ],
)
async def test_what_a_sink_answers(behaviour: dict[str, Any], outcome: Outcome) -> None:
    with listening(**behaviour) as sink:
        assert await send(sink.url, 3) == {outcome: 3}
    assert len(sink.posted) == 3  # nothing is sent twice


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    with listening() as elsewhere:
        headers = {"Location": elsewhere.url}
        with listening(status=status, headers=headers) as sink:
            assert await send(sink.url) == {REFUSED: 1}
    assert elsewhere.posted == []


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(lambda: f"http://127.0.0.1:{free_ports(1)[0]}", id="nobody listens"),
        pytest.param(lambda: "http://sink.invalid", id="no such host"),
        pytest.param(lambda: "http://a..b", id="a name that cannot be"),
    ],
)
async def test_a_sink_that_is_down(url: Callable[[], str]) -> None:
    assert await send(url(), 3) == {FAILED: 3}


async def test_a_sink_that_hangs_is_given_up_event_by_event() -> None:
    with listening(hangs=True) as sink:
        assert await send(sink.url, 3, seconds=0.05) == {FAILED: 3}


async def test_at_the_end_a_sink_that_hangs_is_not_waited_for() -> None:
    with listening(hangs=True) as sink:
        bounds = Bounds(events=5, senders=2, last_seconds=0.05)
        assert await send(sink.url, 9, bounds=bounds) == {DROPPED: 9}
        assert len(sink.posted) <= 2


async def test_a_slow_sink_gets_what_fits_and_the_rest_is_dropped_at_once() -> None:
    with listening(hangs=True) as sink:
        counts, bounds = Counts(), Bounds(events=5, senders=2, last_seconds=60)
        outbox = Outbox(counts.count, bounds)
        async with connected(sink.url, 2) as there, outbox.emptied(there.deliver):
            for _ in range(20):
                outbox.put(an_event())
            assert counts[DROPPED] == 15  # while it hangs, and put() does not wait
            sink.open.set()
        assert +counts == {SENT: 5, DROPPED: 15}


async def test_a_sink_that_is_back_is_sent_to_again() -> None:
    with listening(status=503) as sink:
        counts = Counts()
        outbox = Outbox(counts.count, Bounds(last_seconds=60))
        async with connected(sink.url, 1) as there, outbox.emptied(there.deliver):
            outbox.put(an_event())
            await asyncio.to_thread(until, lambda: counts[REFUSED] == 1, "a refusal")
            sink.status = 204
            outbox.put(an_event())
        assert +counts == {REFUSED: 1, SENT: 1}


async def test_the_log_says_once_a_minute_that_events_are_lost_and_tells_no_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    with listening(status=500, answer=b"secret") as sink:
        async with connected(sink.url, 1) as there:
            there._clock = lambda: now[0]
            for now[0] in (1000.0, 1001.0, 1059.9, 1060.0):
                await there.deliver(an_event(body=b"secret"))
    told = [one for one in caplog.records if one.name == sink_module.__name__]
    assert [one.levelno for one in told] == [logging.WARNING] * 2
    assert "status 500" in told[0].getMessage()
    for secret in ("secret", sink.url, "team=a"):
        assert secret not in caplog.text


async def test_what_is_not_sent_at_the_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with listening(hangs=True) as sink:
        await send(sink.url, 3, bounds=Bounds(last_seconds=0.01))
    assert "3 events of the request log were not sent" in caplog.text


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1100, 5000), max_size=40),
    outcomes=st.lists(st.sampled_from([SENT, REFUSED, FAILED]), min_size=1),
    events=st.integers(0, 12),
    size=st.integers(0, 40_000),
)
def test_every_event_is_counted_once_and_never_more_is_held_than_may_be(
    sizes: list[int], outcomes: list[Outcome], events: int, size: int
) -> None:
    async def deliver(event: Event) -> Outcome:
        await asyncio.sleep(0)
        return outcomes[event.size % len(outcomes)]

    async def story() -> Counts:
        counts = Counts()
        outbox = Outbox(counts.count, Bounds(events, size, senders=2, last_seconds=60))
        async with outbox.emptied(deliver):
            for number, one in enumerate(sizes):
                outbox.put(an_event(one))
                assert outbox._events <= events
                assert outbox._size <= size
                if number % 3 == 0:
                    await asyncio.sleep(0)
        assert (outbox._events, outbox._size) == (0, 0)
        return counts

    counts = asyncio.run(story())
    assert sum(counts.values()) == len(sizes)
    if sum(sizes) <= size and len(sizes) <= events:
        assert counts[DROPPED] == 0


def test_series_are_there_from_the_start() -> None:
    counts = Counts()
    Outbox(counts.count, Bounds())
    assert set(counts) == set(Outcome)
