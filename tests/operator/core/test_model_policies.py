"""What takes a candidate's place, what stays out, and what needs no training: named cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.operator.core.test_model_analysis import ANALYSIS, INTERVAL, analysed, at, wait
from tests.operator.model_builders import MINUTE, PAUSED, SETTINGS, World, served, upgraded

ALLOWED = replace(SETTINGS, allowed_images=("registry/*",))


def _half_way() -> World:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(50)
    world.settle()
    return world


def _by_hand(world: World) -> None:
    world.create_run("by-hand", {"candidate": True, "training": {"seed": 9}})


def _newer_generation(world: World) -> None:
    world.change(training={"seed": 8})


def _newer_engine(world: World) -> None:
    world.change(serving={"beamSize": 1})


def _retrain(world: World) -> None:
    world.ask("retrain", "again")


@pytest.mark.parametrize(
    "newer",
    [
        pytest.param(_newer_generation, id="a newer generation"),
        pytest.param(_newer_engine, id="another engine"),
        pytest.param(_by_hand, id="a newer run by hand, once it is blessed"),
        pytest.param(_retrain, id="a retrain"),
    ],
)
def test_what_is_newer_takes_the_place_and_begins_at_the_first_step(
    newer: Callable[[World], None],
) -> None:
    world = _half_way()
    serving, first = world.production["revision"], world.candidate["revision"]
    newer(world)
    weights = []
    for _ in range(40):
        world.look()
        world.live()
        weights.append(world.candidate.get("weight"))
        if world.candidate.get("revision") not in (None, first) and weights[-1]:
            break
    assert world.candidate["weight"] == 10
    world.run_until("UpToDate")
    assert world.production["revision"] not in (serving, first)
    assert "rejected" not in world.status
    assert len(world.services) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"beamSize": 1}, id="beam"),
        pytest.param({"precision": "Float32"}, id="precision"),
        pytest.param({"image": "registry/predictor:2"}, id="image"),
    ],
)
def test_other_translations_are_another_revision_without_a_training(
    change: Mapping[str, Any],
) -> None:
    world = served(rollout={"steps": PAUSED, "analysis": ANALYSIS})
    world.settings, world.users.rate = ALLOWED, 2000
    before = dict(world.production)
    world.change(serving=change)
    world.run_until("UpToDate")
    assert world.production["revision"] != before["revision"]
    assert world.production["artifact"]["digest"] == before["artifact"]["digest"]
    assert world.stages.count("Canary") == 2
    imported = world.runs[world.production["run"]]
    assert imported.manifest["spec"]["import"] == {"uri": before["artifact"]["uri"]}


def test_other_serving_settings_change_in_place_in_mid_canary() -> None:
    world = at(10, analysed())
    candidate, runs = world.candidate["revision"], set(world.runs)
    world.change(serving={"maxQueue": 9})
    world.settle()
    assert (world.candidate["revision"], world.candidate["weight"]) == (candidate, 10)
    assert set(world.runs) == runs
    world.run_until("UpToDate")
    assert world.production["serving"]["maxQueue"] == 9


def test_git_revert_beyond_the_window_uses_its_run_again_through_all_steps() -> None:
    world = served(rollout={"steps": PAUSED, "rollbackWindow": 0})
    spec, first = world.spec, world.production["run"]
    world.change(training={"seed": 7})
    world.run_until("UpToDate")
    world.stages.clear()
    world.writes.clear()
    world.spec, world.generation = spec, world.generation + 1
    world.run_until("UpToDate")
    assert world.production["run"] == first
    assert world.writes["TrainingRun"] == 0
    assert "Canary" in world.stages


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("abort", id="aborted"),
        pytest.param("analysis", id="failed under traffic"),
        pytest.param("rollback", id="rolled back from production"),
    ],
)
def test_rejected_revision_stays_out_until_a_retry(end: str) -> None:
    world = analysed()
    first = dict(world.production)
    if end == "rollback":
        wait(world, 60 * MINUTE, lambda w: w.production["revision"] != first["revision"])
        bad = dict(world.production)
        world.ask("rollback", first["revision"])
    else:
        bad = dict(at(50, world).candidate)
    if end == "abort":
        world.ask("abort", bad["revision"])
    world.users.errors = 1.0 if end == "analysis" else 0.0
    wait(world, 10 * MINUTE)
    world.users.errors = 0.0
    assert world.production["revision"] == first["revision"]
    spec = world.spec
    world.change(training={"seed": 42})  # Git goes back, and names the bad one again later
    wait(world, 60 * MINUTE)
    assert world.condition("UpToDate") == "True"
    world.spec, world.generation = spec, world.generation + 1
    wait(world, 60 * MINUTE)
    assert world.production["revision"] == first["revision"]
    assert world.condition("Degraded") == "True"
    world.ask("retry", bad["revision"])
    wait(world, 60 * MINUTE)
    assert world.production["revision"] == bad["revision"]


def test_suspension_in_mid_analysis_keeps_the_evidence_and_the_time_that_is_left() -> None:
    world = at(10, analysed())
    world.now += 2 * MINUTE
    world.change(suspend=True)
    wait(world, 60 * MINUTE)
    assert (world.candidate["weight"], world.told("Paused")["reason"]) == (10, "Suspended")
    world.change(suspend=False)
    before = world.now
    wait(world, 60 * MINUTE, lambda w: w.candidate.get("weight") == 50)
    assert 3 * MINUTE <= world.now - before <= 3 * MINUTE + INTERVAL


def test_rollout_goes_by_the_policy_that_it_began_with() -> None:
    world = _half_way()
    world.change(rollout={"approval": "Required", "steps": [{"setWeight": 100}]})
    world.run_until("UpToDate")
    assert world.stages[-5:].count("AwaitingApproval") == 0
