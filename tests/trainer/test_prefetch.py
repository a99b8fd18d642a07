from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mt_trainer.prefetch import prefetched


def test_everything_comes_in_order() -> None:
    assert list(prefetched(iter(range(50)))) == list(range(50))


def test_it_is_made_elsewhere_and_not_far_ahead() -> None:
    made: list[int] = []
    threads = set()

    def items() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            threads.add(threading.current_thread())
            yield number

    for number in prefetched(items(), 3):
        assert len(made) <= number + 1 + 3
    assert threads.isdisjoint({threading.current_thread()})


def test_an_error_comes_after_what_was_made_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    found = prefetched(items())
    assert next(found) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)
