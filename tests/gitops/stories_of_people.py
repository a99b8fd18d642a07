"""Stories of people and traffic: approvals, pauses, actions, and live judgement."""

from __future__ import annotations

from typing import Any

from tests.gitops.recording import Recorded, RecordedKnative, begun, in_production
from tests.gitops.stories_of_candidates import gate_failure, happy_path
from tests.operator.knative_world import CLUSTER
from tests.operator.model_builders import MINUTE, PAUSED, SPEC, WEIGHTS

from mt_contract.defaults import merge

UNTIL_PROMOTED = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 100}]


def approval() -> Recorded:
    world = begun(rollout={"approval": "Required"})
    world.settle()
    world.ask("promote", world.candidate["revision"])
    world.run_until("UpToDate")
    return world


def pause_without_an_end() -> Recorded:
    world = in_production(rollout={"steps": UNTIL_PROMOTED})
    world.change(training={"seed": 7})
    world.settle()
    world.ask("promote", world.candidate["revision"])
    world.run_until("UpToDate")
    return world


def paused_by_hand() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.to_stage("Training")
    world.ask("pause", world.candidate["run"])
    world.settle()
    world.ask("resume", world.candidate["run"])
    world.until_weight(10)
    world.ask("pause", world.candidate["revision"])
    world.settle()
    world.ask("resume", world.candidate["revision"])
    world.ask("promote", f"full/{world.candidate['revision']}")
    world.run_until("UpToDate")
    return world


def rolled_back_by_hand() -> Recorded:
    world = happy_path()
    world.ask("rollback", world.status["previous"][0]["revision"])
    world.settle()
    return world


def blessed_by_hand() -> Recorded:
    world = gate_failure()
    world.ask("bless", world.rejected["run"])
    world.run_until("UpToDate")
    return world


def aborted_in_knative() -> Recorded:
    """In Knative mode: one revision is promoted, the next one is aborted under traffic."""
    world = RecordedKnative(spec=merge(SPEC, {"rollout": {"steps": PAUSED}}), cluster=CLUSTER)
    world.run_until("UpToDate")
    world.change(training={"seed": 7})
    world.run_until("UpToDate")
    world.change(training={"seed": 8})
    world.until_weight(10)
    world.ask("abort", world.candidate["revision"])
    world.run_until("Degraded")
    world.settle()
    return world


ANALYSIS = {
    "interval": "30s",
    "minRequests": 50,
    "metrics": [{"name": "errors", "builtin": "ErrorRate", "max": "0.01"}],
}


def _analysed(rate: int, steps: list[Any]) -> Recorded:
    world = in_production(rollout={"steps": steps})
    world.users.rate = rate
    world.change(training={"seed": 7}, rollout={"analysis": ANALYSIS})
    world.until_weight(10)
    world.settle()
    return world


def _wait(world: Recorded, minutes: int) -> None:
    """Let time pass, looking where the operator wants to look."""
    until = world.now + minutes * MINUTE
    while world.now < until:
        plan = world.settle()
        world.now = min(until, world.now + (plan.requeue_after or MINUTE))
    world.settle()


def analysis_failure() -> Recorded:
    world = _analysed(2000, PAUSED)
    world.users.errors = 1.0
    _wait(world, 2)
    assert world.rejected["reason"] == "AnalysisFailed"
    return world


def no_data() -> Recorded:
    world = _analysed(0, WEIGHTS)
    _wait(world, 10)
    assert world.told("Paused")["reason"] == "NoData"
    world.users.rate = 2000
    world.run_until("UpToDate")
    return world


def aborted_while_paused() -> Recorded:
    world = in_production(rollout={"steps": UNTIL_PROMOTED})
    world.change(training={"seed": 7})
    world.settle()
    world.ask("abort", world.candidate["revision"])
    world.run_until("Degraded")
    world.settle()
    return world


def experiment() -> Recorded:
    """A run of somebody's own, whose gate it does not pass."""
    world = in_production()
    world.chrf = "31.5"
    world.create_run("experiment", {"training": {"seed": 9}})
    world.settle()
    return world


def imported() -> Recorded:
    """A model made elsewhere, which passes its gates."""
    world = in_production()
    spec = {"candidate": True, "import": {"uri": "pvc://models/elsewhere"}}
    world.create_run("from-elsewhere", spec)
    world.run_until("UpToDate")
    return world
