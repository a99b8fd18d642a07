"""The training itself: epochs of batches, able to stop anywhere and go on as if it had not."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mt_contract.errors import DivergedError
from mt_contract.resource import Training
from mt_trainer import batches, shapes
from mt_trainer.checkpoint import Arrays, Position
from mt_trainer.encoded import Batch, Encoded
from mt_trainer.prefetch import prefetched
from mt_trainer.schedule import rate
from mt_trainer.shapes import Shape
from mt_trainer.signals import StoppedError

_MEMORY = 0.95  # of the running mean of the steps' losses
_RUNAWAY = 1.5  # nats of that mean above its lowest: from a trained model back to guessing
_log = logging.getLogger(__name__)


class RunawayError(Exception):
    """The loss is no number any more, or far above what it was."""


class Learns(Protocol):
    """What is trained: ``learner.Learner``, or a stand-in for it in tests."""

    def learn(self, batch: Batch, rate: float, number: int) -> tuple[float, int]:
        """Take one step; return the cross-entropy sum and the number of tokens."""

    @property
    def gradient_norm(self) -> float:
        """Return the norm of the last step's gradient, before it was clipped."""

    def validate(self, batches: Iterable[Batch]) -> float:
        """Return the cross-entropy per token."""

    def state(self) -> dict[str, np.ndarray]:
        """Return all that decides how training goes on."""

    def restore(self, arrays: Arrays) -> None:
        """Set what ``state`` returned."""

    def mean_weights(self) -> dict[str, np.ndarray]:
        """Return the weights that are validated and exported."""


class Keeps(Protocol):
    """Where checkpoints are kept: a ``checkpoint.Store``, or one that several nodes share."""

    def latest(self) -> tuple[dict[str, np.ndarray], Position] | None:
        """Return the newest checkpoint, or None."""

    def save(self, arrays: Arrays, position: Position) -> None:
        """Keep a checkpoint."""

    def save_best(self, arrays: Arrays) -> None:
        """Keep the weights that validated best."""

    def clear(self) -> None:
        """Remove what another training left."""


class Wish(Protocol):
    """That the process ends: a ``threading.Event``, or what several nodes agree on."""

    def is_set(self) -> bool:
        """Return whether it is asked to."""


@dataclass(frozen=True)
class Plan:
    """What to train on, and for how long.

    Attributes:
        training: the recipe.
        train: pairs to learn from.
        validation: pairs to measure by.
        checkpoint_seconds: time between checkpoints.
        stop: set when the process is asked to end.
        report: told the position after every step, and once more, with True, when an epoch is over.
        clock: seconds, never going back.
        cpu: seconds of processor time in this attempt.
        shape: of all batches, for a learner that is compiled for it; None: as they come.
    """

    training: Training
    train: Encoded
    validation: Encoded
    checkpoint_seconds: float
    stop: Wish
    report: Callable[[Position, bool], None]
    clock: Callable[[], float] = time.monotonic
    cpu: Callable[[], float] = time.process_time
    shape: Shape | None = None

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, without its first ``start``."""
        tokens, seed, pairs = self.training.optimizer.batch_tokens, self.training.seed, self.train
        if self.shape:
            return _shaped(pairs, self.shape, seed, epoch, start)
        return map(pairs.batch, batches.plan(pairs.lengths, tokens, seed, epoch, start))

    def measured(self) -> Iterator[Batch]:
        """Yield all pairs of the validation, in a fixed order."""
        pairs = self.validation
        if self.shape:
            return _shaped(pairs, self.shape, 0, 0)
        tokens = self.training.optimizer.batch_tokens
        return map(pairs.batch, batches.in_order(pairs.lengths, tokens))

    @property
    def steps_in_epoch(self) -> int:
        """Return about how many batches an epoch has."""
        tokens, seed = self.training.optimizer.batch_tokens, self.training.seed
        return batches.steps(self.train.lengths, tokens, seed)


def _shaped(pairs: Encoded, shape: Shape, seed: int, epoch: int, start: int = 0) -> Iterator[Batch]:
    planned = shapes.plan(pairs.lengths, shape, seed, epoch, start)
    return (pairs.batch(rows, (shape.rows, shape.source, shape.target)) for rows in planned)


def fit(learner: Learns, plan: Plan, store: Keeps) -> Position:
    """Train from the newest checkpoint, or from the start, to the end; return where it ended.

    Raises:
        DivergedError: the loss ran away a second time.
        StoppedError: ``plan.stop`` was set; the next call goes on from here.
        StorageError: a checkpoint cannot be written.
    """
    return _Loop(learner, plan, store).run()


class _Loop:
    """One attempt at a training."""

    def __init__(self, learner: Learns, plan: Plan, store: Keeps) -> None:
        self._learner, self._plan, self._store = learner, plan, store
        self._budget = plan.training.budget
        self._now = self._saved = plan.clock()
        self._position = Position()
        self._cpu_before = 0.0

    def run(self) -> Position:
        """Go on from the newest checkpoint until nothing is left to do."""
        found = self._store.latest()
        if found:
            self._go_on_from(*found)
        else:
            self._store.clear()
            self._save()
        while not self._position.finished:
            try:
                self._epoch()
            except RunawayError as reason:
                self._roll_back(str(reason))
        return self._position

    def _go_on_from(self, arrays: Arrays, position: Position) -> None:
        self._learner.restore(arrays)
        self._position, self._cpu_before = position, position.cpu_seconds
        _log.info(
            "going on from the checkpoint of step %d, epoch %d", position.step, position.epoch + 1
        )

    def _epoch(self) -> None:
        """Do what is left of the epoch, then measure, keep the best and save."""
        for batch in prefetched(self._plan.batches(self._position.epoch, self._position.batch)):
            if self._spent():
                break
            self._step(batch)
            self._plan.report(self._position, False)
            if self._plan.stop.is_set():
                self._save()
                raise StoppedError(f"stopped after step {self._position.step}, which is saved")
            if self._now - self._saved >= self._plan.checkpoint_seconds:
                self._save()
        self._end_epoch()

    def _step(self, batch: Batch) -> None:
        at, optimizer = self._position, self._plan.training.optimizer
        peak = float(optimizer.learning_rate) * at.rate_factor
        loss_sum, tokens = self._learner.learn(
            batch,
            rate(at.step + 1, peak, optimizer.warmup_steps),
            at.step + 1,
        )
        loss = loss_sum / tokens
        smoothed = loss if at.smoothed is None else _MEMORY * at.smoothed + (1 - _MEMORY) * loss
        lowest = smoothed if at.lowest is None else min(at.lowest, smoothed)
        if not math.isfinite(loss) or smoothed > lowest + _RUNAWAY:
            raise RunawayError(f"step {at.step + 1}: loss {loss:.2f}, its mean was {lowest:.2f}")
        before, self._now = self._now, self._plan.clock()
        self._position = replace(
            at,
            batch=at.batch + 1,
            step=at.step + 1,
            loss_sum=at.loss_sum + loss_sum,
            tokens=at.tokens + tokens,
            smoothed=smoothed,
            lowest=lowest,
            gradient_norm=self._learner.gradient_norm,
            seconds=at.seconds + self._now - before,
        )

    def _end_epoch(self) -> None:
        loss = self._learner.validate(self._plan.measured())
        if not math.isfinite(loss):
            raise RunawayError(f"step {self._position.step}: validation loss {loss}")
        at = self._position
        better = at.best is None or loss < at.best
        at = replace(
            at,
            epoch=at.epoch + 1,
            batch=0,
            last=loss,
            best=loss if better else at.best,
            best_epoch=at.epoch + 1 if better else at.best_epoch,
            best_training=at.loss_sum / max(at.tokens, 1) if better else at.best_training,
            waited=0 if better else at.waited + 1,
        )
        if better:
            self._store.save_best(self._learner.mean_weights())
        self._plan.report(at, True)
        self._position = replace(at, loss_sum=0.0, tokens=0)
        stopping = self._budget.early_stopping
        enough = stopping is not None and at.waited >= stopping.patience
        if enough:
            _log.info("validation loss did not improve for %d epochs: training ends", at.waited)
        if enough or self._spent() or at.epoch >= self._budget.max_epochs:
            self._position = replace(self._position, finished=True)
        self._save()

    def _spent(self) -> bool:
        at, budget = self._position, self._budget
        return at.step >= budget.max_steps or at.seconds >= budget.max_duration.total_seconds()

    def _save(self) -> None:
        self._position = replace(self._position, cpu_seconds=self._cpu_before + self._plan.cpu())
        self._store.save(self._learner.state(), self._position)
        self._saved = self._plan.clock()

    def _roll_back(self, reason: str) -> None:
        """Go back to the last checkpoint, once, and on from there at half the rate.

        Raises:
            DivergedError: it was done before.
        """
        seconds, found = self._position.seconds, self._store.latest()
        if self._position.rollbacks or not found:
            raise DivergedError(
                f"the loss ran away again, at half the learning rate ({reason}): lower "
                "training.optimizer.learningRate "
                f"({self._plan.training.optimizer.learning_rate}), lengthen warmupSteps, or look "
                "for wrong pairs in the data"
            )
        _log.warning("the loss ran away (%s): going back, and on at half the learning rate", reason)
        self._go_on_from(*found)
        self._position = replace(
            self._position,
            rollbacks=1,
            rate_factor=0.5 * self._position.rate_factor,
            seconds=seconds,
        )
        self._save()
