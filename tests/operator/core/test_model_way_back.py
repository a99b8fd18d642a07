"""The emergency way back to an earlier production revision."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.model_builders import MINUTE, PAUSED, World, served


def _second() -> tuple[World, Any, Any]:
    """Return a world with its first and second production revision."""
    world = served(rollout={"steps": PAUSED})
    first = dict(world.production)
    world.change(training={"seed": 7})
    while world.production["revision"] == first["revision"]:
        plan = world.settle()
        if world.production["revision"] == first["revision"] and plan.requeue_after:
            world.now += plan.requeue_after
    world.events.clear()
    world.writes.clear()
    world.stages.clear()
    return world, first, dict(world.production)


def _to_rest(world: World) -> None:
    for _ in range(20):
        plan = world.settle()
        if plan.requeue_after is None:
            return
        world.now += plan.requeue_after
    raise AssertionError(f"no rest: {world.status}")


def test_way_back_is_instant_while_the_pods_are_up() -> None:
    world, first, second = _second()
    before = world.now
    world.ask("rollback", first["revision"])
    world.settle()
    assert world.now == before
    assert world.weights() == {first["revision"]: 100}
    assert world.stages == ["Promoting", None]
    assert world.production["run"] == first["run"]
    assert world.writes["Job"] == 0
    assert world.rejected["revision"] == second["revision"]
    degraded = world.told("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "RolledBack")
    assert [e.reason for e in world.events].count("RolledBack") == 1


def test_way_back_deploys_again_what_is_gone_and_checks_it() -> None:
    world, first, _ = _second()
    _to_rest(world)
    assert world.service_of(first) not in world.services
    world.stages.clear()
    world.ask("rollback", first["revision"])
    _to_rest(world)
    assert world.stages == ["Deploying", "ServingCheck", "Promoting", None, None]
    assert world.production["revision"] == first["revision"]
    assert world.writes["TrainingRun"] == 0


def test_what_was_rolled_back_stays_out_until_somebody_retries_it_through_all_steps() -> None:
    world, first, second = _second()
    world.ask("rollback", first["revision"])
    _to_rest(world)
    world.now += 600 * MINUTE
    world.change(serving={"maxQueue": 9})
    _to_rest(world)
    assert world.production["revision"] == first["revision"]
    assert world.condition("Stalled") == "True"
    world.stages.clear()
    world.ask("retry", second["revision"])
    _to_rest(world)
    assert world.production["revision"] == second["revision"]
    assert "Canary" in world.stages
    assert world.condition("UpToDate") == "True"


def test_way_back_ends_the_canary_that_is_under_way() -> None:
    world, first, second = _second()
    _to_rest(world)
    world.change(training={"seed": 8})
    world.until_weight(50)
    third = dict(world.candidate)
    world.ask("rollback", first["revision"])
    _to_rest(world)
    assert world.weights() == {first["revision"]: 100}
    rejected = {entry["revision"] for entry in world.status["rejected"]}
    assert rejected == {second["revision"], third["revision"]}
    assert list(world.services) == [world.service_of(first)]


def test_suspension_does_not_hold_the_way_back() -> None:
    world, first, _ = _second()
    _to_rest(world)
    world.change(suspend=True)
    world.settle()
    world.ask("rollback", first["revision"])
    _to_rest(world)
    assert world.production["revision"] == first["revision"]


def test_newer_generation_waits_until_the_way_back_is_gone() -> None:
    world, first, second = _second()
    _to_rest(world)
    world.ask("rollback", first["revision"])
    world.look()
    world.change(training={"seed": 9})
    served_by = set()
    for _ in range(40):
        world.look()
        world.live()
        served_by |= set(world.weights())
    assert served_by >= {first["revision"]}
    _to_rest(world)
    assert world.production["revision"] not in (first["revision"], second["revision"])
    assert world.condition("UpToDate") == "True"


def test_git_revert_after_the_way_back_is_up_to_date_at_once() -> None:
    world, first, _ = _second()
    world.ask("rollback", first["revision"])
    _to_rest(world)
    world.change(training={"seed": 42})  # the default: what the first run was asked with
    _to_rest(world)
    assert world.production["revision"] == first["revision"]
    assert (world.condition("UpToDate"), world.condition("Degraded")) == ("True", "False")


@pytest.mark.parametrize(
    ("which", "words"),
    [
        pytest.param("production", "is in production", id="to what serves"),
        pytest.param("nobody", "is not in status.previous, which names: r-", id="to nothing known"),
    ],
)
def test_way_back_that_leads_nowhere_is_refused(which: str, words: str) -> None:
    world, _, second = _second()
    world.ask("rollback", second["revision"] if which == "production" else "r-00000000")
    world.look()
    assert words in world.told("ActionAccepted")["message"]
    assert world.production["revision"] == second["revision"]


def test_way_back_to_what_was_rolled_back_is_refused() -> None:
    world, first, second = _second()
    world.ask("rollback", first["revision"])
    _to_rest(world)
    world.ask("rollback", second["revision"])
    world.look()
    assert "was rejected. To try it again" in world.told("ActionAccepted")["message"]
    assert world.production["revision"] == first["revision"]
