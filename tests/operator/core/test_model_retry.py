"""Ending a candidate by hand and trying again: neither ever gets stuck."""

from __future__ import annotations

import pytest
from tests.operator.model_builders import PAUSED, served, upgraded


def test_retry_of_a_failed_run_trains_once_more() -> None:
    world = upgraded()
    world.chrf = "31.5"
    world.run_until("Degraded")
    first, world.chrf = world.rejected["run"], "50"
    token = world.ask("retry", first)
    world.run_until("UpToDate")
    assert world.production["run"] != first
    assert world.status["handled"] == {"retry": token}
    assert "rejected" not in world.status


def test_retry_of_a_rejected_revision_checks_it_anew() -> None:
    world = upgraded()
    world.agreement = "0.9"
    world.run_until("Degraded")
    world.agreement = "1"
    world.ask("retry", world.rejected["revision"])
    world.writes.clear()
    world.run_until("UpToDate")
    assert world.writes["TrainingRun"] == 0
    assert world.writes["Job"] == 1


def test_abort_gives_the_traffic_back_and_stays_aborted() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    serving = world.production
    world.until_weight(10)
    world.ask("abort", world.candidate["revision"])
    world.run_until("Degraded")
    assert world.told("Degraded")["reason"] == "Aborted"
    assert world.weights() == {serving["revision"]: 100}


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(stage, id=f"aborted in {stage}")
        for stage in ("Training", "Deploying", "ServingCheck", "Canary", "Promoting")
    ],
)
def test_retry_after_abort_takes_it_to_production(stage: str) -> None:
    world = upgraded().to_stage(stage)
    run = world.candidate["run"]
    world.ask("abort", world.candidate.get("revision") or run)
    world.look()
    world.ask("retry", run)
    world.run_until("UpToDate")
    assert world.production["run"] == run
    assert "rejected" not in world.status


def test_retry_waits_until_the_traffic_is_back() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    revision = world.candidate["revision"]
    world.ask("abort", revision)
    world.gateway_works = False
    world.settle()
    world.writes.clear()
    world.ask("retry", revision)
    world.settle()
    assert (world.candidate["stage"], world.writes) == ("RollingBack", {})
    world.gateway_works = True
    world.run_until("UpToDate")
    assert world.production["revision"] == revision


def test_promote_after_abort_says_that_retry_is_needed() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    revision = world.candidate["revision"]
    world.ask("abort", revision)
    world.run_until("Degraded")
    world.ask("promote", revision)
    world.settle()
    assert f"kubectl translation retry pt-en {revision}" in world.told("ActionAccepted")["message"]
    world.ask("retry", revision)
    world.run_until("UpToDate")


def test_retry_of_a_run_by_hand_that_was_aborted() -> None:
    world = served()
    world.create_run("by-hand", {"candidate": True, "training": {"seed": 9}})
    world.to_stage("Canary").ask("abort", "by-hand")
    world.run_until("Ready")
    assert world.rejected["run"] == "by-hand"
    world.ask("retry", "by-hand")
    world.run_until("UpToDate")
    assert world.production["run"] == "by-hand"


def test_long_complaint_leaves_room_for_what_to_do() -> None:
    world = upgraded().to_stage("Deploying")
    world.unready.add(world.service_of(world.candidate))
    world.waiting = "ArtifactInvalid: " + "x" * 2000
    world.run_until("Degraded")
    assert "kubectl translation retry pt-en r-" in world.told("Degraded")["message"]
    assert not world.told("Degraded")["message"].endswith("…")
