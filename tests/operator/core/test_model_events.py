"""What is announced: each turn of a story once, under the reasons that alerts are asked by."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.operator.core.test_model_analysis import analysed, at, gone, wait
from tests.operator.model_builders import MINUTE, PAUSED, World, served, upgraded

from mt_contract.report import Failure

ALERTS = (
    "RolledBack",
    "GateFailed",
    "GateInconclusive",
    "DataInvalid",
    "RunFailed",
    "ServingCheckFailed",
    "AnalysisFailed",
    "ProgressDeadlineExceeded",
    "Aborted",
)


def _bad_gate() -> World:
    world = upgraded()
    world.chrf = "31.5"
    return world


def _bad_data() -> World:
    world = upgraded()
    world.data_broken = True
    return world


def _failed_probe() -> World:
    world = upgraded().to_stage("ServingCheck")
    world.probe = Failure("ProbeFailed", "connection refused")
    return world


def _errors() -> World:
    world = at(50, analysed())
    world.users.errors = 1.0
    wait(world, 5 * MINUTE, gone)
    return world


def _late() -> World:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(50)
    world.unready.add(world.service_of(world.candidate))
    return world


def _aborted_early() -> World:
    world = upgraded().to_stage("Deploying")
    world.ask("abort", world.candidate["revision"])
    return world


def _aborted_canary() -> World:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    world.ask("abort", world.candidate["revision"])
    return world


@pytest.mark.parametrize(
    ("story", "alerts"),
    [
        pytest.param(_bad_gate, ["GateFailed"], id="a gate failed"),
        pytest.param(_bad_data, ["DataInvalid"], id="invalid data"),
        pytest.param(_failed_probe, ["ServingCheckFailed"], id="the serving check failed"),
        pytest.param(_errors, ["AnalysisFailed", "RolledBack"], id="errors under traffic"),
        pytest.param(_late, ["ProgressDeadlineExceeded", "RolledBack"], id="never ready again"),
        pytest.param(_aborted_early, ["Aborted"], id="aborted before it had traffic"),
        pytest.param(_aborted_canary, ["Aborted", "RolledBack"], id="aborted with traffic"),
    ],
)
def test_each_alert_is_told_once(story: Callable[[], World], alerts: list[str]) -> None:
    world = story()
    world.run_until("Degraded")
    world.settle()
    assert [event.reason for event in world.events if event.reason in ALERTS] == alerts
    assert all(event.type == "Warning" for event in world.events if event.reason in ALERTS)


def test_nothing_is_told_twice_by_a_good_rollout() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.run_until("UpToDate")
    told = [(event.reason, event.message) for event in world.events]
    assert len(set(told)) == len(told)
    assert not [reason for reason, _ in told if reason in ALERTS]


def test_nothing_is_told_at_rest() -> None:
    world = served()
    for _ in range(5):
        world.now += MINUTE
        world.settle()
    assert world.events == []
