"""What a training tells of itself: metrics.jsonl, ``name=value`` lines, progress, a bar."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mt_contract import storage
from mt_contract.codec import format_time
from mt_contract.resource import Budget
from mt_trainer.checkpoint import Position
from mt_trainer.progress import Board, Snapshot, format_metric

_LINE_SECONDS = 15.0  # between two lines within an epoch


class Tracker:
    """Follows one attempt at a training; used as a context."""

    def __init__(self, board: Board, metrics: Path, budget: Budget) -> None:
        """Report to ``board`` and ``metrics``; the budget says how much there is to do."""
        self._board, self._path, self._budget = board, metrics, budget
        self._total = budget.max_steps
        self._speed = _Speed()
        self._seen: float = math.inf
        self._line_at = time.monotonic()
        self._bar = _bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task("training", total=1.0, numbers="") if self._bar else None

    def expect(self, steps_in_epoch: int) -> None:
        """Take note of how long an epoch is."""
        self._total = min(self._budget.max_steps, self._budget.max_epochs * steps_in_epoch)

    def __enter__(self) -> Tracker:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, position: Position, ended: bool) -> None:
        """Take note of a position; ``ended``: an epoch is over."""
        if (
            position.step < self._seen
        ):  # the first step of this attempt, or of the way on after a rollback
            storage.retried(lambda: forget_after(self._path, position.step - 1))
        self._seen = position.step
        self._speed.see(position)
        snapshot = self._snapshot(position, ended)
        self._board.snapshot = snapshot
        if self._bar and self._task is not None:
            self._bar.update(
                self._task, completed=snapshot.fraction, numbers=_pairs(snapshot.metrics)
            )
        if ended or time.monotonic() - self._line_at >= _LINE_SECONDS:
            self._line_at = time.monotonic()
            self._write(snapshot)

    def _snapshot(self, position: Position, ended: bool) -> Snapshot:
        metrics = {"loss": position.loss_sum / max(position.tokens, 1)}
        if position.last is not None:
            metrics["validationLoss"] = position.last
        metrics["tokensPerSecond"] = self._speed.value
        limit = self._budget.max_duration.total_seconds()
        fraction = min(max(position.step / self._total, position.seconds / limit), 1.0)
        remaining = round(position.seconds * (1 - fraction) / fraction) if fraction else None
        epoch = position.epoch if ended else position.epoch + 1
        return replace(
            Snapshot(),
            step=position.step,
            total_steps=self._total,
            epoch=epoch,
            fraction=fraction,
            remaining_seconds=remaining,
            metrics=metrics,
        )

    def _write(self, snapshot: Snapshot) -> None:
        line = {
            "epoch": snapshot.epoch,
            "step": snapshot.step,
            **snapshot.metrics,
            "time": format_time(snapshot.updated),
        }
        storage.retried(lambda: _append(self._path, json.dumps(line) + "\n"))
        print(f"epoch={snapshot.epoch} step={snapshot.step} {_pairs(snapshot.metrics)}", flush=True)


class _Speed:
    """Target tokens a second, over the last few steps."""

    def __init__(self) -> None:
        self.value = 0.0
        self._last: Position | None = None

    def see(self, position: Position) -> None:
        last, self._last = self._last, position
        if last and position.step > last.step and position.seconds > last.seconds:
            tokens = position.tokens - (
                last.tokens if position.epoch == last.epoch and position.batch > 1 else 0
            )
            now = tokens / (position.seconds - last.seconds)
            self.value = now if not self.value else 0.9 * self.value + 0.1 * now


def forget_after(path: Path, step: int) -> None:
    """Drop lines of steps after ``step``: an attempt cut off went beyond its checkpoint."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if kept != lines:
        storage.write_aside(path, "".join(kept).encode())


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(text)


def _pairs(metrics: Mapping[str, float]) -> str:
    return " ".join(f"{name}={format_metric(value)}" for name, value in metrics.items())


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[numbers]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=sys.stdout.isatty(),  # else whoever reads the lines would miss them
    )
