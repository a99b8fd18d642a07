"""Killed after any write, the operator comes to the same end, and makes nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from tests.operator.core.test_model_analysis import analysed, at
from tests.operator.model_builders import PAUSED, CrashError, World, upgraded

SHORT = [{"setWeight": 50}, {"setWeight": 100}]


def _upgrade() -> World:
    return upgraded(rollout={"steps": PAUSED})


def _bad_gate() -> World:
    world = upgraded()
    world.chrf = "31.5"
    return world


def _never_ready() -> World:
    world = upgraded().to_stage("Deploying")
    world.unready.add(world.service_of(world.candidate))
    return world


def _unready_canary() -> World:
    world = upgraded(rollout={"steps": SHORT})
    world.until_weight(50)
    world.unready.add(world.service_of(world.candidate))
    return world


def _newer() -> World:
    world = upgraded(rollout={"steps": SHORT})
    world.until_weight(50)
    world.change(training={"seed": 8})
    return world


def _errors() -> World:
    world = at(50, analysed())
    world.users.errors = 1.0
    return world


def _way_back() -> World:
    world = upgraded(rollout={"steps": SHORT})
    first = world.production["revision"]
    world.until_weight(100)
    while world.production["revision"] == first:
        world.look()
        world.live()
    world.ask("rollback", first)
    return world


def _blessed() -> World:
    world = _bad_gate()
    world.run_until("Degraded")
    world.ask("bless", world.rejected["run"])
    return world


def _end(world: World) -> tuple[Any, ...]:
    """Return what a story comes to, without its times."""
    reasons = {c["type"]: (c["status"], c["reason"]) for c in world.status["conditions"]}
    rejected = [entry["run"] for entry in world.status.get("rejected", ())]
    return reasons, world.weights(), set(world.services), set(world.runs), rejected


@pytest.mark.parametrize(
    ("story", "end"),
    [
        pytest.param(_upgrade, "UpToDate", id="an upgrade with pauses"),
        pytest.param(_bad_gate, "Degraded", id="a gate that fails"),
        pytest.param(_never_ready, "Degraded", id="a candidate that is never ready"),
        pytest.param(_unready_canary, "Degraded", id="a canary that stops being ready"),
        pytest.param(_newer, "UpToDate", id="a newer generation"),
        pytest.param(_errors, "Degraded", id="errors under traffic"),
        pytest.param(_way_back, "Degraded", id="a way back that somebody asked for"),
        pytest.param(_blessed, "UpToDate", id="gates that somebody overrides"),
    ],
)
def test_killed_between_any_two_writes(story: Callable[[], World], end: str) -> None:
    start = story()
    start.writes.clear()
    unbroken = deepcopy(start)
    unbroken.run_until(end)
    total = sum(unbroken.writes.values())
    for kill in range(total):
        world = deepcopy(start)
        world.crash_after = kill
        with pytest.raises(CrashError):
            world.run_until(end)
        world.crash_after = None
        world.run_until(end)
        assert _end(world) == _end(unbroken), f"killed before write {kill + 1} of {total}"
        assert world.made == unbroken.made
