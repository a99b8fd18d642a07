"""One moment of a training as numbers: what every record of it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mt_contract.codec import format_time, parse_time


@dataclass(frozen=True)
class Line:
    """What was measured at a step.

    Attributes:
        epoch: number from 1 of the epoch that is under way, or has just ended.
        step: how many steps are done.
        time: when.
        metrics: value by name, such as ``loss``.
    """

    epoch: int
    step: int
    time: datetime
    metrics: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """Return it as in metrics.jsonl."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            **self.metrics,
            "time": format_time(self.time),
        }

    @staticmethod
    def of(document: Mapping[str, Any]) -> Line:
        """Return what ``document`` was made from."""
        metrics = {k: v for k, v in document.items() if k not in ("epoch", "step", "time")}
        return Line(document["epoch"], document["step"], parse_time(document["time"]), metrics)


class Record(Protocol):
    """What keeps lines."""

    def begin(self, history: Sequence[Line]) -> None:
        """Hold these lines and no others: an attempt begins, after a checkpoint or a rollback."""

    def add(self, line: Line) -> None:
        """Hold one line more."""
