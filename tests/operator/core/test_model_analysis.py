"""What the evidence does to a rollout: on, back, or held; and what is written of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.model_builders import MINUTE, PAUSED, SETTINGS, WEIGHTS, World, served

from mt_operator.settings import Prometheus, Query, Settings

ERRORS = {"name": "errors", "builtin": "ErrorRate", "max": "0.01"}
RESTARTS = {"name": "restarts", "builtin": "Restarts", "max": "0"}
ANALYSIS = {"interval": "30s", "minRequests": 50, "metrics": [ERRORS, RESTARTS]}
INTERVAL = timedelta(seconds=30)


def analysed(steps: list[Any] = PAUSED, settings: Settings = SETTINGS, **analysis: Any) -> World:
    """Return a world with users, whose second recipe is about to be trained."""
    world = served(rollout={"steps": steps})
    world.settings = settings
    world.users.rate = 2000
    world.change(rollout={"analysis": ANALYSIS | analysis})
    world.change(training={"seed": 7})
    return world


def at(weight: int, world: World) -> World:
    """Go on until the candidate has this weight."""
    world.until_weight(weight)
    world.settle()
    return world


def wait(world: World, span: timedelta, ends: Callable[[World], bool] = lambda _: False) -> None:
    """Let time pass, looking where the operator wants to look, until it is over or ``ends``."""
    until = world.now + span
    while world.now < until and not ends(world):
        plan = world.settle()
        if ends(world) or plan.requeue_after is None:
            return
        world.now = min(until, world.now + plan.requeue_after)
    world.settle()


def gone(world: World) -> bool:
    """Return whether the candidate was rejected."""
    return bool(world.rejected)


def test_good_candidate_is_promoted_in_its_time_with_few_writes() -> None:
    world = analysed()
    world.to_stage("Evaluating").writes.clear()
    before = world.now
    world.run_until("UpToDate")
    took = world.production["since"]
    assert took == f"{before + 10 * MINUTE + INTERVAL:%Y-%m-%dT%H:%M:%SZ}"
    assert world.writes["status"] == 7
    assert sum(world.writes.values()) == 15  # three of them after the promotion: to clean up


def test_weights_in_a_row_last_an_interval_each() -> None:
    world = analysed(WEIGHTS)
    world.to_stage("Canary")
    before = world.now
    world.run_until("UpToDate")
    assert world.production["since"] == f"{before + 3 * INTERVAL:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    ("weight", "errors", "within"),
    [
        pytest.param(10, 1.0, INTERVAL, id="nothing but errors end it at once"),
        pytest.param(50, 0.05, 4 * INTERVAL, id="one in twenty at half weight"),
    ],
)
def test_candidate_that_answers_errors_is_rolled_back(
    weight: int, errors: float, within: timedelta
) -> None:
    world = at(weight, analysed())
    serving, before = world.production, world.now
    world.users.errors = errors
    wait(world, 5 * MINUTE, gone)
    assert world.now - before <= within
    assert world.rejected["reason"] == "AnalysisFailed"
    assert f"at {weight} %: ErrorRate " in world.rejected["message"]
    assert "more than max 0.01" in world.rejected["message"]
    world.settle()
    assert world.production == serving
    assert world.weights() == {serving["revision"]: 100}
    reasons = [event.reason for event in world.events]
    assert (reasons.count("AnalysisFailed"), reasons.count("RolledBack")) == (1, 1)


def test_evidence_is_kept_when_the_operator_starts_anew() -> None:
    world = at(50, analysed())
    assert world.candidate["analysis"]["baseline"]["pods"]
    world.users.errors = 0.05
    wait(world, 5 * MINUTE, gone)  # each look has but one reading
    assert gone(world)


def test_analysis_goes_on_at_a_pause_without_an_end() -> None:
    world = at(10, analysed([{"setWeight": 10}, {"pause": {}}, {"setWeight": 100}]))
    wait(world, 60 * MINUTE)
    assert world.candidate["weight"] == 10
    world.users.errors = 1.0
    wait(world, 5 * MINUTE, gone)
    assert world.rejected["reason"] == "AnalysisFailed"


@pytest.mark.parametrize("how", ["paused", "suspended"])
def test_analysis_goes_on_while_it_is_held(how: str) -> None:
    world = at(10, analysed())
    if how == "paused":
        world.ask("pause", world.candidate["revision"])
    else:
        world.change(suspend=True)
    wait(world, 60 * MINUTE)
    assert world.candidate["weight"] == 10
    world.users.errors = 1.0
    wait(world, 5 * MINUTE, gone)
    assert world.weights() == {world.production["revision"]: 100}


def test_one_failed_interval_is_forgiven() -> None:
    query = [{"name": "complaints", "query": "asked", "max": "3"}]
    world = at(10, analysed(settings=asking(), metrics=query))
    world.users.value = 1.0
    wait(world, INTERVAL)
    world.users.value = 9.0
    world.settle()
    assert world.candidate["analysis"]["failures"] == 1
    world.users.value = 1.0
    wait(world, INTERVAL)
    assert "failures" not in world.candidate["analysis"]
    world.users.value = 9.0
    wait(world, 5 * MINUTE, gone)
    assert "query asked 9: more than max 3 (2 intervals in a row)" in world.rejected["message"]


def test_dry_run_is_told_but_does_nothing() -> None:
    tried = {"name": "tried", "query": "asked", "max": "3", "dryRun": True}
    world = analysed(settings=asking(), metrics=[ERRORS, tried])
    world.users.value = 9.0
    wait(world, 30 * MINUTE, lambda w: w.candidate.get("weight") == 50)
    told = {metric["name"]: metric for metric in world.candidate["analysis"]["metrics"]}
    assert (told["tried"]["verdict"], told["tried"]["dryRun"]) == ("Failing", True)
    world.run_until("UpToDate")


def test_restart_of_the_candidate_ends_it() -> None:
    world = at(50, analysed())
    world.users.restarts = 1
    wait(world, 5 * MINUTE, gone)
    assert "Restarts 1, production 0: more than max 0" in world.rejected["message"]


def test_candidate_that_stays_unready_ends_after_failed_intervals() -> None:
    world = at(50, analysed())
    before = world.now
    world.unready.add(world.service_of(world.candidate))
    world.waiting = "Crashed: exit code 139, Error"
    world.settle()
    assert world.weights() == {world.production["revision"]: 100}
    wait(world, 30 * MINUTE, gone)
    assert world.now - before <= 2 * INTERVAL
    # It has no weight any more; what it failed at is the weight that it was to have.
    told = " at 50 %: it is not ready, while it is to answer requests: Crashed"
    assert told in world.rejected["message"]


def test_crash_is_not_forgotten_when_the_weight_is_given_back() -> None:
    world = at(50, analysed(failureLimit=5))
    world.unready.add(world.service_of(world.candidate))
    world.settle()
    world.unready.clear()
    world.users.restarts = 1
    wait(world, 5 * MINUTE, gone)
    assert "Restarts 1" in world.rejected["message"]


def test_no_data_pauses_until_there_is_some() -> None:
    world = analysed()
    world.users.rate = 0
    at(10, world)
    wait(world, 30 * MINUTE)
    assert world.candidate["weight"] == 10
    paused = world.told("Paused")
    assert (paused["status"], paused["reason"]) == ("True", "NoData")
    assert "answered 0 requests, a verdict needs 50" in paused["message"]
    assert "kubectl translation promote pt-en" in paused["message"]
    world.writes.clear()
    wait(world, 60 * MINUTE)
    assert world.writes == {}
    world.users.rate = 2000
    world.run_until("UpToDate")
    assert world.condition("Paused") == "False"


def test_promote_passes_a_pause_for_lack_of_data() -> None:
    world = analysed()
    world.users.rate = 0
    at(10, world)
    wait(world, 30 * MINUTE)
    for weight in (50, 100):
        world.ask("promote", world.candidate["revision"])
        wait(world, 30 * MINUTE)
        assert world.candidate["weight"] == weight
        assert world.told("Paused")["reason"] == "NoData"
    world.ask("promote", world.candidate["revision"])
    world.run_until("UpToDate")


@pytest.mark.parametrize(
    ("rule", "end"),
    [
        pytest.param("Fail", "Degraded", id="Fail: rejected"),
        pytest.param("Pass", "UpToDate", id="Pass: on"),
    ],
)
def test_no_data_does_what_it_is_told_to(rule: str, end: str) -> None:
    world = analysed(onNoData=rule)
    world.users.rate = 0
    before = at(10, world).now
    wait(world, 60 * MINUTE, lambda w: w.candidate.get("weight") != 10)
    assert world.now - before == 5 * MINUTE + 3 * INTERVAL
    wait(world, 60 * MINUTE)
    assert world.condition(end) == "True"


def test_what_cannot_be_read_is_no_data_and_begins_when_it_can() -> None:
    world = analysed()
    world.users.away = True
    at(10, world)
    wait(world, 30 * MINUTE)
    assert world.told("Paused")["reason"] == "NoData"
    world.users.away = False
    world.run_until("UpToDate")


def test_full_promotion_needs_no_data_but_does_not_pass_what_fails() -> None:
    world = analysed()
    world.users.rate = 0
    at(10, world)
    world.ask("promote", f"full/{world.candidate['revision']}")
    world.run_until("UpToDate")
    bad = analysed()
    at(10, bad)
    serving = bad.production
    bad.users.errors = 0.1
    wait(bad, INTERVAL)
    bad.ask("promote", f"full/{bad.candidate['revision']}")
    wait(bad, 5 * MINUTE, gone)
    bad.settle()
    assert bad.production == serving


def test_first_deployment_needs_no_users() -> None:
    world = World()
    world.spec["rollout"] = {"steps": PAUSED, "analysis": ANALYSIS}
    world.run_until("UpToDate")
    assert world.condition("Ready") == "True"


def test_blue_green_is_judged_by_the_requests_that_it_gets() -> None:
    ratio = [{"name": "errors", "builtin": "ErrorRate", "maxRatio": "1.5"}]
    world = analysed([{"setWeight": 100}], metrics=ratio)
    world.to_stage("Promoting")
    assert world.settle().requeue_after == INTERVAL
    world.run_until("UpToDate")
    assert "Paused" not in {c["type"] for c in world.status["conditions"]}


def test_steady_state_after_an_analysis_writes_nothing() -> None:
    world = analysed()
    world.run_until("UpToDate")
    world.writes.clear()
    for _ in range(10):
        world.now += 10 * MINUTE
        world.settle()
    assert world.writes == {}


def asking() -> Settings:
    queries = {"asked": Query("sum(x)")}
    return replace(SETTINGS, prometheus=Prometheus("http://prometheus"), queries=queries)
