"""The queue: wake-ups coalesce, no key runs twice at once, each backs off alone, all get turns."""

from __future__ import annotations

import asyncio
import time

import pytest

from mt_operator.shell.queue import BACKOFF_CAP, GAP, Key, Queue, Schedule

A, B = "a", "b"


def fail(schedule: Schedule[str], key: str, now: float, **given: object) -> float:
    """End a look that failed, without jitter."""
    options = {"at_least": 0.0, "hard": False, "jitter": 1.0} | given
    return schedule.failed(key, now, **options)  # type: ignore[arg-type]


def test_many_wake_ups_are_one_look() -> None:
    schedule: Schedule[str] = Schedule()
    for moment in (1.0, 1.1, 1.2):
        schedule.wake(A, moment)
    assert schedule.take(2.0) == A
    assert schedule.take(2.0) is None


def test_running_key_is_not_handed_out_and_comes_again_when_woken_meanwhile() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake(A, 0.0)
    assert schedule.take(0.0) == A
    schedule.wake(A, 0.1)
    assert schedule.take(0.2) is None
    schedule.done(A, 1.0)
    assert schedule.take(1.0) is None, "not before the gap is over"
    assert schedule.take(1.0 + GAP) == A


def test_keys_get_turns_in_the_order_in_which_they_were_due() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake(B, 0.0)
    schedule.wake(A, 0.1)
    assert [schedule.take(1.0), schedule.take(1.0)] == [B, A]


def test_key_that_wakes_itself_all_the_time_does_not_starve_another() -> None:
    schedule: Schedule[str] = Schedule()
    now, turns = 0.0, []
    schedule.wake(A, now)
    schedule.wake(B, now)
    for _ in range(10):
        key = schedule.take(now)
        if key is not None:
            turns.append(key)
            schedule.wake(key, now)
            schedule.done(key, now)
        now += GAP / 2
    assert abs(turns.count(A) - turns.count(B)) <= 1


def test_look_is_repeated_after_the_time_that_was_asked_for() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake(A, 0.0)
    schedule.take(0.0)
    schedule.done(A, 0.0, after=10.0)
    assert schedule.next_due() == 10.0
    assert schedule.take(9.9) is None
    assert schedule.take(10.0) == A


def test_wake_up_brings_a_later_look_forward() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake(A, 0.0)
    schedule.take(0.0)
    schedule.done(A, 0.0, after=100.0)
    schedule.wake(A, 5.0)
    assert schedule.take(5.0) == A
    assert schedule.take(100.0) is None, "the later moment is outdated"


def test_failures_back_off_further_and_further_until_one_look_goes_well() -> None:
    schedule: Schedule[str] = Schedule()
    now, waits = 0.0, []
    for _ in range(12):
        schedule.wake(A, now)
        while schedule.take(now) is None:
            now += 0.1
        waits.append(fail(schedule, A, now, hard=True))
        now += waits[-1]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(waits) == BACKOFF_CAP
    assert schedule.take(now) == A
    schedule.done(A, now)
    schedule.wake(A, now + 1)
    assert schedule.take(now + 1) == A
    assert fail(schedule, A, now + 1) == 0.5


@pytest.mark.parametrize(
    ("hard", "moment"),
    [
        pytest.param(True, 30.0, id="an overloaded server is left alone whatever happens"),
        pytest.param(False, GAP, id="a change is looked at at once where the object was to blame"),
    ],
)
def test_wake_up_while_backing_off(hard: bool, moment: float) -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake(A, 0.0)
    schedule.take(0.0)
    assert fail(schedule, A, 0.0, at_least=30.0, hard=hard) == 30.0
    schedule.wake(A, 0.1)
    assert schedule.next_due() in (moment, 30.0)
    assert schedule.take(moment - 0.01) is None
    assert schedule.take(moment) == A


def test_one_bad_key_does_not_slow_another() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake(A, 0.0)
    schedule.take(0.0)
    fail(schedule, A, 0.0, at_least=60.0, hard=True)
    schedule.wake(B, 0.0)
    assert schedule.take(0.0) == B


def test_jitter_spreads_what_failed_together() -> None:
    waits = set()
    for jitter in (0.0, 0.3, 1.0):
        schedule: Schedule[str] = Schedule()
        schedule.wake(A, 0.0)
        schedule.take(0.0)
        waits.add(fail(schedule, A, 0.0, jitter=jitter))
    assert len(waits) == 3
    assert min(waits) >= 0.25


def test_forgotten_key_leaves_nothing_unless_it_came_back_meanwhile() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake(A, 0.0)
    schedule.take(0.0)
    schedule.forget(A, 0.0)
    assert len(schedule) == 0
    schedule.wake(A, 1.0)
    schedule.take(1.0)
    schedule.wake(A, 1.5)
    schedule.forget(A, 2.0)
    assert schedule.take(2.0) == A


def test_overdue_and_waiting_count_what_is_due() -> None:
    schedule: Schedule[str] = Schedule()
    assert schedule.overdue(5.0) == 0.0
    schedule.wake(A, 1.0)
    schedule.wake(B, 2.0)
    assert schedule.waiting(1.5) == 1
    assert schedule.overdue(5.0) == 4.0


async def test_queue_hands_a_key_to_a_waiting_worker() -> None:
    queue, key = Queue(time.monotonic), Key("Kind", "space", "name")
    worker = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.wake(key)
    assert await asyncio.wait_for(worker, 5) == key
    assert str(key) == "Kind space/name"


async def test_queue_wakes_a_worker_when_a_moment_comes() -> None:
    queue, key = Queue(time.monotonic), Key("Kind", "space", "name")
    queue.wake(key)
    assert await queue.take() == key
    queue.done(key, after=0.0)
    assert await asyncio.wait_for(queue.take(), 5) == key
    assert queue.failed(key) > 0
    assert queue.waiting() == 0


async def test_each_key_goes_to_one_worker_only() -> None:
    queue = Queue(time.monotonic)
    workers = [asyncio.create_task(queue.take()) for _ in range(3)]
    await asyncio.sleep(0)
    keys = {Key("Kind", "space", str(number)) for number in range(3)}
    for key in keys:
        queue.wake(key)
        queue.wake(key)
    assert set(await asyncio.wait_for(asyncio.gather(*workers), 5)) == keys
