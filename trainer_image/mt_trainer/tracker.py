"""What a training tells of itself: ``name=value`` lines, progress, a bar, and every record kept."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mt_contract import names
from mt_contract.resource import Training
from mt_trainer.checkpoint import Position
from mt_trainer.progress import Board, Snapshot, format_metric
from mt_trainer.schedule import rate
from mt_trainer.tracking import metrics_file
from mt_trainer.tracking.event_file import EventFile
from mt_trainer.tracking.line import Line, Record
from mt_trainer.tracking.metrics_file import MetricsFile

_LINE_SECONDS = 15.0  # between two lines within an epoch


class Tracker:
    """Follows one attempt at a training; used as a context."""

    def __init__(
        self,
        board: Board,
        folder: Path,
        training: Training,
        others: Sequence[Record] = (),
        measure: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """Report to ``board``, to files in the run's ``folder``, and to ``others``.

        Args:
            board: shows the newest.
            folder: gets metrics.jsonl and tensorboard/.
            training: the recipe; its budget says how much there is to do.
            others: records besides the files.
            measure: tells the machine's load at a line.
        """
        self._board, self._training, self._measure = board, training, measure
        self._path, self._budget = folder / names.METRICS, training.budget
        self._records: tuple[Record, ...] = (
            MetricsFile(self._path),
            EventFile(folder / "tensorboard"),
            *others,
        )
        self._total = self._budget.max_steps
        self._speed = _Speed()
        self._seen: float = math.inf
        self._line_at = math.inf
        self._bar = _bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task("training", total=1.0, numbers="") if self._bar else None

    def expect(self, steps_in_epoch: int) -> None:
        """Take note of how long an epoch is."""
        self._total = min(self._budget.max_steps, self._budget.max_epochs * steps_in_epoch)

    def history(self) -> list[Line]:
        """Return every line of the training so far."""
        return metrics_file.until(self._path, sys.maxsize)

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
        # The first step of this attempt, or of the way on after a rollback.
        if position.step < self._seen:
            self._line_at = time.monotonic()
            self._go_on_after(position.step - 1)
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
            self._write(snapshot, position, ended)

    def _go_on_after(self, step: int) -> None:
        history = metrics_file.until(self._path, step)
        for record in self._records:
            record.begin(history)

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

    def _write(self, snapshot: Snapshot, position: Position, ended: bool) -> None:
        optimizer = self._training.optimizer
        peak = float(optimizer.learning_rate) * position.rate_factor
        metrics = dict(snapshot.metrics)
        if not ended:
            metrics.pop("validationLoss", None)  # of an earlier step
        metrics["learningRate"] = rate(position.step, peak, optimizer.warmup_steps)
        if position.gradient_norm is not None and math.isfinite(position.gradient_norm):
            metrics["gradientNorm"] = position.gradient_norm
        line = Line(snapshot.epoch, snapshot.step, snapshot.updated, metrics)
        print(f"epoch={line.epoch} step={line.step} {_pairs(metrics)}", flush=True)
        line = replace(line, metrics={**metrics, **self._measure()})
        for record in self._records:
            record.add(line)


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
