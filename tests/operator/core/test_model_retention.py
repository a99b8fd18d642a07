"""Which runs go when there are more than history keeps, and which never do."""

from __future__ import annotations

import pytest
from tests.operator.model_builders import MINUTE, World, served, upgraded


def _train(world: World, *seeds: int) -> None:
    for seed in seeds:
        world.now += MINUTE
        world.change(training={"seed": seed})
        world.run_until("UpToDate")


def test_oldest_succeeded_runs_go() -> None:
    world = served(history={"succeeded": 2}, rollout={"rollbackWindow": 1})
    first = world.production["run"]
    _train(world, 1, 2, 3)
    assert len(world.runs) == 2
    assert first not in world.runs
    assert world.production["run"] in world.runs


def test_production_and_the_way_back_stay_whatever_history_says() -> None:
    world = served(history={"succeeded": 0}, rollout={"rollbackWindow": 2})
    _train(world, 1, 2, 3)
    kept = {entry["run"] for entry in world.status["previous"][:2]}
    assert set(world.runs) == kept | {world.production["run"]}


def test_failed_runs_are_kept_apart_and_the_asked_one_stays() -> None:
    world = upgraded(history={"failed": 1})
    world.data_broken = True
    for seed in (1, 2, 3):
        world.now += MINUTE
        world.change(training={"seed": seed})
        world.run_until("Degraded")
    assert len(world.runs) == 2
    assert world.rejected["run"] in world.runs
    assert world.production["run"] in world.runs


def test_runs_that_users_or_git_made_stay() -> None:
    world = served(history={"succeeded": 0}, rollout={"rollbackWindow": 0})
    world.create_run("experiment", {"training": {"seed": 9}})
    world.settle()
    _train(world, 1, 2)
    assert "experiment" in world.runs


def test_run_that_trained_an_artifact_that_is_reused_stays() -> None:
    world = served(history={"succeeded": 0}, rollout={"rollbackWindow": 0})
    trained = world.production["run"]
    world.change(serving={"beamSize": 1})
    world.run_until("UpToDate")
    world.settle()
    assert set(world.runs) == {trained, world.production["run"]}


@pytest.mark.parametrize("key", ["parent", "previous"])
def test_what_an_unfinished_training_begins_from_stays_until_it_is_over(key: str) -> None:
    world = served(history={"succeeded": 0}, rollout={"rollbackWindow": 0})
    first = world.production["run"]
    world.create_run("experiment", {"training": {"seed": 9}})
    # The world lets a run stand still that says when it ended.
    stands_still = {"completionTime": "2026-11-21T13:00:00Z"}
    begun = {"inputs": {key: {"run": first, "uri": "pvc://m/x"}}}
    world.runs["experiment"].status = stands_still | begun
    _train(world, 1)
    world.settle()
    assert world.production["run"] != first
    assert first in world.runs
    failed = {"conditions": [{"type": "Failed", "status": "True"}]}
    world.runs["experiment"].status = stands_still | begun | failed
    world.settle()
    assert first not in world.runs
