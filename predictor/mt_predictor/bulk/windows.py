"""Lines in windows: what is sorted by length and translated together, and lost by a kill at most.

Where one ends depends on the lines alone, never on time, cores or attempts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from mt_corpus.rows import Broken, Row

T = TypeVar("T")
SIZE = 1 << 18  # characters: some 60,000 tokens of prose, many batches of the engine


class Line(NamedTuple):
    """One line of the input."""

    number: int
    source: str
    why: str = ""  # it holds no text; empty where it does


Window = tuple[Line, ...]


def windows(rows: Iterable[Row | Broken], size: int = SIZE) -> Iterator[Window]:
    """Yield ``rows`` in windows, each full with its last line.

    Args:
        rows: the lines, in order.
        size: characters, line ends counted, that make a window full.
    """
    window: list[Line] = []
    count = 0
    for row in rows:
        window.append(_line(row))
        count += 1 + len(window[-1].source)
        if count >= size:
            yield tuple(window)
            window, count = [], 0
    if window:
        yield tuple(window)


def _line(row: Row | Broken) -> Line:
    if isinstance(row, Broken):
        return Line(row.line, "", row.why)
    return Line(row.line, row.source)


def ahead(given: Iterable[Window], translate: Callable[[Window], T], depth: int) -> Iterator[T]:
    """Yield what ``translate`` makes of each window, in order.

    Args:
        given: windows; those that are under way are finished once there are no more.
        translate: is called in threads, so that no worker of the engine waits for the next window.
        depth: windows that are under way at once.
    """
    with ThreadPoolExecutor(depth) as pool:
        waiting: deque[Future[T]] = deque()
        for window in given:
            waiting.append(pool.submit(translate, window))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
