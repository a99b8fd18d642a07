"""Things made in another thread, while those before them are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()


def prefetched(items: Iterator[T], count: int = 2) -> Iterator[T]:
    """Yield ``items``, of which up to ``count`` are made ahead; what they raise is raised here."""
    with ThreadPoolExecutor(1, "prefetch") as thread:
        made = deque(thread.submit(next, items, _END) for _ in range(count))
        while (item := made.popleft().result()) is not _END:
            made.append(thread.submit(next, items, _END))
            yield item
