"""Who may come in: so many requests at most, and so many seconds of work before a new one; pure.

The queue is fair (see scheduling.py): a request of work w waits for no more than w of each other
request. A book that waits therefore keeps no sentence out; books keep books out. Work is counted
in tokens times hypotheses, and turned into seconds by what batches took lately.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

# Half of what clients are usually patient for, and less than what a pod has to end in.
MAX_WAIT = 15.0
MAX_RETRY_SECONDS = 60  # by then replicas may have been added
_MEMORY = 0.9  # of what is known of batches, when another is


class QueueFullError(Exception):
    """Too much is waiting already; come back after ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Pace:
    """How fast one worker is: of late batches, the latest most.

    What it begins with is a small model on a slow processor, and forgotten after a batch or two.
    """

    work: float = 100.0
    seconds: float = 0.01

    def after(self, work: float, seconds: float) -> Pace:
        """Return what is known after a batch of ``work`` that took ``seconds``."""
        return Pace(self.work * _MEMORY + work, self.seconds * _MEMORY + seconds)

    def seconds_for(self, work: float, workers: int) -> float:
        """Return how long that many workers take for ``work``."""
        return work * self.seconds / (self.work * workers)


def ahead(left: Iterable[int], work: int) -> int:
    """Return how much is done before a request of ``work`` is, if others have ``left`` so much."""
    return sum(min(other, work) for other in left)


def retry_after(seconds: float) -> int:
    """Return what a client is told that has to wait for ``seconds`` of work."""
    return min(max(1, ceil(seconds)), MAX_RETRY_SECONDS)
