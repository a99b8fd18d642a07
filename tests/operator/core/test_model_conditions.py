"""What people and tools read of a model, at every turn of its story."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.operator.model_builders import PAUSED, World, served, upgraded


def _training() -> World:
    world = World()
    world.look()
    return world


def _first_rejected() -> World:
    world = World(chrf="31.5")
    world.run_until("Degraded")
    return world


def _upgrading() -> World:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(50)
    world.settle()
    return world


def _rejected() -> World:
    world = upgraded()
    world.chrf = "31.5"
    world.run_until("Degraded")
    return world


def _unready_production() -> World:
    world = served()
    world.unready.add(world.service_of(world.production))
    world.waiting = "ImagePullBackOff: registry/predictor:1 not found"
    world.settle()
    return world


def _suspended() -> World:
    world = served()
    world.change(suspend=True)
    world.settle()
    return world


def _suspended_before_a_change() -> World:
    world = served()
    world.change(suspend=True, training={"seed": 7})
    world.settle()
    return world


def _stalled_run() -> World:
    world = served()
    world.change(training={"image": "elsewhere/trainer:1"})
    world.settle()
    return world


# Ready, UpToDate, Reconciling, Stalled, Degraded, Paused; "-" for a condition that is not there.
@pytest.mark.parametrize(
    ("story", "said", "reason", "words"),
    [
        pytest.param(
            _training, "UFT-F-", "Reconciling Training", "pt-en-", id="the first run trains"
        ),
        pytest.param(
            _first_rejected, "FF-TT-", "Ready NoProduction", "below min 40", id="first one rejected"
        ),
        pytest.param(served, "TT--F-", "Ready Serving", "chrF 48.2", id="at rest"),
        pytest.param(
            _upgrading,
            "TFT-F-",
            "Reconciling Canary",
            "answers 50 % of the requests for 5m (step 4 of 5)",
            id="a canary has half of the traffic",
        ),
        pytest.param(
            _rejected, "TF-TT-", "Stalled GateFailed", "retry=pt-en-", id="a gate said no"
        ),
        pytest.param(
            _unready_production,
            "FT--F-",
            "Ready NotReady",
            "ImagePullBackOff",
            id="production has no ready pod",
        ),
        pytest.param(_suspended, "TT--FT", "Paused Suspended", "Set it to false", id="suspended"),
        pytest.param(
            _suspended_before_a_change,
            "TF--FT",
            "UpToDate Suspended",
            "nothing new starts",
            id="suspended with another recipe",
        ),
        pytest.param(
            _stalled_run,
            "TF-TF-",
            "Stalled ImageNotAllowed",
            "elsewhere/trainer:1",
            id="its run waits for a person",
        ),
    ],
)
def test_conditions(story: Callable[[], World], said: str, reason: str, words: str) -> None:
    world = story()
    types = ("Ready", "UpToDate", "Reconciling", "Stalled", "Degraded", "Paused")
    assert "".join((world.condition(type) or "-")[0] for type in types) == said
    type, expected = reason.split()
    assert world.told(type)["reason"] == expected
    assert words in world.told(type)["message"]
    generations = {c["observedGeneration"] for c in world.status["conditions"]}
    assert generations == {world.status["observedGeneration"]} == {world.generation}


def test_progress_of_a_run_is_no_news_of_its_model() -> None:
    world = _training()
    world.look()
    (run,) = world.runs.values()
    for step in (100, 200):
        run.status = dict(run.status) | {"progress": {"stage": "Training", "step": step}}
        assert world.look().status is None


def test_missing_claim_of_a_run_is_told_by_its_model() -> None:
    world = _training()
    world.look()
    (run,) = world.runs.values()
    told = "PersistentVolumeClaim corpora does not exist in this namespace: create it."
    waits = {"type": "Reconciling", "status": "True", "reason": "WaitingForStorage"}
    run.status = {"conditions": [waits | {"message": told}]}
    world.look()
    assert told in world.told("Reconciling")["message"]


def test_paused_is_taken_back_but_stays_to_be_waited_for() -> None:
    world = _suspended()
    world.change(suspend=False)
    world.settle()
    assert world.condition("Paused") == "False"
    assert world.condition("UpToDate") == "True"
