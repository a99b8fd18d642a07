from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.trainer import builders

from mt_contract.errors import DivergedError
from mt_trainer.checkpoint import Arrays, Position, Store
from mt_trainer.encoded import Batch, Encoded
from mt_trainer.train import Plan, StoppedError, fit


class Walk:
    """A stand-in for a network: its one weight takes every batch and rate into account."""

    def __init__(self, spoil: Callable[[int, float], float | None] = lambda step, rate: None):
        self.weight = 5.0
        self.spoil = spoil
        self.rates: dict[int, float] = {}
        self.gradient_norm = 0.0
        self.validation: Callable[[float], float] = lambda weight: weight

    def learn(self, batch: Batch, rate: float, number: int) -> tuple[float, int]:
        self.rates[number] = rate
        tokens = int((batch.wanted != 0).sum())
        self.weight *= 1 - rate * (1 + float(batch.source.sum() % 97) / 97)
        loss = self.spoil(number, rate)
        return (self.weight if loss is None else loss) * tokens, tokens

    def validate(self, batches: Iterable[Batch]) -> float:
        assert list(batches)
        return self.validation(self.weight)

    def state(self) -> dict[str, np.ndarray]:
        return {"weight": np.array([self.weight])}

    def restore(self, arrays: Arrays) -> None:
        self.weight = float(arrays["weight"][0])

    def mean_weights(self) -> dict[str, np.ndarray]:
        return {"mean": np.array([self.weight])}


class Reports:
    """Takes note of every position, and can end the training after a step."""

    def __init__(self, ends_after: int | None = None) -> None:
        self.steps: dict[int, Position] = {}
        self.epochs: list[Position] = []
        self.ends_after = ends_after
        self.stop = threading.Event()

    def __call__(self, position: Position, ended: bool) -> None:
        if ended:
            self.epochs.append(position)
            return
        self.steps[position.step] = position
        if position.step == self.ends_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    return builders.text(tmp_path_factory.mktemp("text"))[0]


def plan(
    encoded: Encoded, reports: Reports, over: Mapping[str, Any] | None = None, seconds: float = 1e9
) -> Plan:
    ticks = iter(range(1_000_000))
    training = builders.decoded({"training": over or {}}).training
    return Plan(
        training, encoded, encoded, seconds, reports.stop, reports, lambda: float(next(ticks))
    )


EPOCHS = {"budget": {"maxEpochs": 3}}


def test_it_ends_after_the_epochs_of_the_budget(encoded: Encoded, tmp_path: Path) -> None:
    reports = Reports()
    end = fit(Walk(), plan(encoded, reports, EPOCHS), Store(tmp_path, "id"))
    assert (end.epoch, end.finished, len(reports.epochs)) == (3, True, 3)
    assert end.step == len(reports.steps)


@pytest.mark.parametrize("killed_after", [1, 4, 5, 8])
def test_killed_anywhere_it_goes_on_as_if_it_had_not_been(
    encoded: Encoded, tmp_path: Path, killed_after: int
) -> None:
    whole = Reports()
    learner = Walk()
    fit(learner, plan(encoded, whole, EPOCHS), Store(tmp_path / "a", "id"))
    first, second = Reports(killed_after), Reports()
    with pytest.raises(KeyboardInterrupt):
        fit(Walk(), plan(encoded, first, EPOCHS, seconds=2), Store(tmp_path / "b", "id"))
    resumed = Walk()
    fit(resumed, plan(encoded, second, EPOCHS, seconds=2), Store(tmp_path / "b", "id"))
    assert resumed.weight == learner.weight
    curve = {step: position.smoothed for step, position in whole.steps.items()}
    again = {step: position.smoothed for step, position in (first.steps | second.steps).items()}
    assert again == curve
    assert [e.last for e in second.epochs] == [e.last for e in whole.epochs][-len(second.epochs) :]
    assert min(second.steps) > 1 or killed_after < 3


def test_asked_to_stop_it_saves_the_step_it_is_at(encoded: Encoded, tmp_path: Path) -> None:
    reports = Reports()
    reports.stop.set()
    with pytest.raises(StoppedError, match="after step 1"):
        fit(Walk(), plan(encoded, reports, EPOCHS), Store(tmp_path, "id"))
    assert Store(tmp_path, "id").latest()[1].step == 1  # type: ignore[index]


def test_a_finished_training_is_not_trained_again(encoded: Encoded, tmp_path: Path) -> None:
    fit(Walk(), plan(encoded, Reports(), EPOCHS), Store(tmp_path, "id"))
    again = Reports()
    assert fit(Walk(), plan(encoded, again, EPOCHS), Store(tmp_path, "id")).finished
    assert again.steps == {}


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        pytest.param({"maxSteps": 4, "maxEpochs": 9}, 4, id="steps"),
        pytest.param({"maxDuration": "5s", "maxEpochs": 9}, 4, id="time"),
    ],
)
def test_a_budget_ends_it_in_mid_epoch_with_a_measure(
    encoded: Encoded, tmp_path: Path, budget: dict[str, Any], steps: int
) -> None:
    reports = Reports()
    end = fit(Walk(), plan(encoded, reports, {"budget": budget}), Store(tmp_path, "id"))
    assert (end.step, end.finished) == (steps, True)
    assert end.best is not None


def test_it_stops_early_and_keeps_the_best(encoded: Encoded, tmp_path: Path) -> None:
    losses = iter([2.0, 1.0, 1.5, 1.2, 0.1])
    weights: list[float] = []
    learner = Walk()

    def measure(weight: float) -> float:
        weights.append(weight)
        return next(losses)

    learner.validation = measure
    over = {"budget": {"maxEpochs": 9, "earlyStopping": {"metric": "loss", "patience": 2}}}
    store = Store(tmp_path, "id")
    end = fit(learner, plan(encoded, Reports(), over), store)
    assert (end.epoch, end.best, end.best_epoch, end.last) == (4, 1.0, 2, 1.2)
    assert store.best()["mean"] == weights[1]  # type: ignore[index]


def test_a_loss_that_is_no_number_is_left_at_half_the_rate(
    encoded: Encoded, tmp_path: Path
) -> None:
    learner = Walk(lambda step, rate: float("nan") if step == 5 and rate > 0.002 else None)
    reports = Reports()
    end = fit(learner, plan(encoded, reports, EPOCHS, seconds=2), Store(tmp_path, "id"))
    assert (end.rollbacks, end.rate_factor, end.finished) == (1, 0.5, True)
    assert learner.rates[6] == pytest.approx(0.01 * 6 / 20 / 2)


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(float("nan"), id="not a number"),
        pytest.param(float("inf"), id="infinite"),
        pytest.param(500.0, id="far above what it was"),
    ],
)
def test_a_loss_that_runs_away_again_ends_it(encoded: Encoded, tmp_path: Path, loss: float) -> None:
    learner = Walk(lambda step, rate: loss if step >= 5 else None)
    with pytest.raises(DivergedError, match="learningRate"):
        fit(learner, plan(encoded, Reports(), EPOCHS), Store(tmp_path, "id"))


def test_a_rollback_is_remembered_through_a_kill(encoded: Encoded, tmp_path: Path) -> None:
    nan_at_5 = Walk(lambda step, rate: float("nan") if step == 5 else None)
    with pytest.raises(KeyboardInterrupt):
        fit(nan_at_5, plan(encoded, _Late(3), EPOCHS), Store(tmp_path, "id"))
    with pytest.raises(DivergedError):
        fit(nan_at_5, plan(encoded, Reports(), EPOCHS), Store(tmp_path, "id"))


class _Late(Reports):
    """Ends the training when it comes to a step for the second time."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def __call__(self, position: Position, ended: bool) -> None:
        if position.step == self.step and self.step in self.steps:
            raise KeyboardInterrupt
        super().__call__(position, ended)
