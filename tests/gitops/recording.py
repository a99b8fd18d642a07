"""Rollouts, recorded: every status that a model and its runs were ever seen with, as objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any

from tests.operator.builders import NOW, comparison, job_view
from tests.operator.builders import SPEC as OWN_SPEC
from tests.operator.knative_world import CLUSTER, KnativeWorld
from tests.operator.model_builders import (
    MINUTE,
    MODEL,
    NAMESPACE,
    PAUSED,
    SPEC,
    UID,
    WEIGHTS,
    World,
)
from tests.operator.run_builders import ACTIVE, evaluating, judged, training

from mt_contract import names
from mt_contract.defaults import merge
from mt_contract.names import Stage
from mt_operator.core.observed import Cluster, JobState, ObservedRun
from mt_operator.core.plan import Plan
from mt_operator.core.run.decide import decide_run

Object = Mapping[str, Any]
Story = Callable[[], "Recorded"]
UNTIL_PROMOTED = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 100}]


@dataclass
class Recorded(World):
    """A small world that keeps every object as it was after each look at it."""

    models: list[Object] = field(default_factory=list)
    moments: list[Recorded] = field(default_factory=list)  # itself, after each write of its status
    made_runs: list[Object] = field(default_factory=list)
    keeping: bool = True

    def look(self) -> Plan:
        """Let the operator look once, and keep what there is before and after."""
        self._keep(self.models, self.model())
        plan = super().look()
        self._keep(self.models, self.model())
        if plan.status is not None and self.keeping:
            self.moments.append(deepcopy(replace(self, models=[], moments=[], keeping=False)))
        return plan

    def live(self) -> bool:
        """Let the cluster go on a little, and keep what the runs have come to."""
        for thing in self.runs.values():
            self._keep(self.made_runs, run_object(thing))
        changed = super().live()
        for thing in self.runs.values():
            self._keep(self.made_runs, run_object(thing))
        return changed

    def model(self) -> Object:
        """Return the model as the API server holds it."""
        metadata = {
            "name": MODEL,
            "namespace": NAMESPACE,
            "uid": UID,
            "generation": self.generation,
        }
        annotations = {"annotations": dict(self.annotations)} if self.annotations else {}
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.MODEL_KIND,
            "metadata": metadata | annotations,
            "spec": deepcopy(self.spec),
            "status": deepcopy(self.status) or {"observedGeneration": -1},
        }

    @staticmethod
    def _keep(kept: list[Object], found: Object) -> None:
        if not kept or kept[-1] != found:
            kept.append(found)


def run_object(thing: Any) -> Object:
    """Return a run as the API server holds it."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN_KIND,
        "metadata": dict(thing.manifest["metadata"]) | {"generation": thing.generation},
        "spec": deepcopy(thing.manifest["spec"]),
        "status": deepcopy(dict(thing.status)) or {"observedGeneration": -1},
    }


def begun(**changes: Any) -> Recorded:
    """Return a world in which nothing has happened yet."""
    return Recorded(spec=merge(SPEC, {"rollout": {"steps": WEIGHTS}} | changes))


def in_production(**changes: Any) -> Recorded:
    """Return a world whose first revision serves."""
    world = begun(**changes)
    world.run_until("UpToDate")
    return world


def happy_path() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.run_until("UpToDate")
    return world


def gate_failure() -> Recorded:
    world = in_production()
    world.chrf = "31.5"
    world.change(training={"seed": 7})
    world.run_until("Degraded")
    world.settle()
    return world


def first_gate_failure() -> Recorded:
    world = begun()
    world.chrf = "31.5"
    world.run_until("Degraded")
    return world


def broken_data() -> Recorded:
    world = in_production()
    world.data_broken = True
    world.change(training={"seed": 7})
    world.run_until("Degraded")
    return world


def serving_check_failure() -> Recorded:
    world = in_production()
    world.agreement = "0.5"
    world.change(training={"seed": 7})
    world.run_until("Degraded")
    return world


def aborted_under_traffic() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.until_weight(10)
    world.ask("abort", world.candidate["revision"])
    world.run_until("Degraded")
    world.settle()
    return world


def retried() -> Recorded:
    world = aborted_under_traffic()
    world.ask("retry", world.rejected["revision"])
    world.run_until("UpToDate")
    return world


def suspended() -> Recorded:
    world = in_production()
    world.change(suspend=True)
    world.settle()
    world.change(training={"seed": 7})
    world.settle()
    world.change(suspend=False)
    world.run_until("UpToDate")
    return world


def suspended_before_the_first() -> Recorded:
    world = begun(suspend=True)
    world.settle()
    return world


def suspended_while_it_trains() -> Recorded:
    world = begun()
    world.look()
    world.look()
    world.change(suspend=True)
    world.settle()
    return world


def superseded() -> Recorded:
    world = in_production()
    world.change(training={"seed": 7})
    world.look()
    world.look()
    world.live()
    world.change(training={"seed": 8})
    world.run_until("UpToDate")
    return world


def production_not_ready() -> Recorded:
    world = in_production()
    world.unready.add(world.service_of(world.production))
    world.waiting = "ImagePullBackOff: registry/predictor:1 not found"
    world.settle()
    return world


def no_kserve() -> Recorded:
    world = begun()
    world.cluster = Cluster(kserve=False)
    world.settle()
    world.cluster = Cluster()
    world.run_until("UpToDate")
    return world


def run_refused() -> Recorded:
    world = in_production()
    world.change(training={"image": "elsewhere/trainer:1"})
    world.settle()
    return world


def unknown_gateway() -> Recorded:
    world = begun(rollout={"gateway": "other"})
    world.settle()
    return world


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


@dataclass
class RecordedKnative(Recorded, KnativeWorld):
    """The same on a cluster with Knative."""


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


def rejected_then_suspended() -> Recorded:
    world = gate_failure()
    world.change(suspend=True)
    world.settle()
    return world


def rejected_then_refused() -> Recorded:
    world = gate_failure()
    world.change(rollout={"gateway": "other"}, training={"seed": 8})
    world.settle()
    world.change(rollout={"gateway": "default"})
    world.chrf = "48.2"
    world.run_until("UpToDate")
    return world


def suspended_under_traffic() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.until_weight(10)
    world.change(suspend=True)
    world.settle()
    world.change(suspend=False)
    world.run_until("UpToDate")
    return world


def kserve_goes_away_under_traffic() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.until_weight(10)
    world.cluster = Cluster(kserve=False)
    world.settle()
    world.cluster = Cluster()
    world.run_until("UpToDate")
    return world


def canary_not_ready() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.until_weight(10)
    world.unready.add(world.service_of(world.candidate))
    world.settle()
    return world


def aborted_while_paused() -> Recorded:
    world = in_production(rollout={"steps": UNTIL_PROMOTED})
    world.change(training={"seed": 7})
    world.settle()
    world.ask("abort", world.candidate["revision"])
    world.run_until("Degraded")
    world.settle()
    return world


def reverted() -> Recorded:
    """What was rejected is reverted in Git, and comes back: production first, then it again."""
    world = gate_failure()
    world.change(training={"seed": None})
    world.run_until("UpToDate")
    world.change(training={"seed": 7})
    world.settle()
    assert world.condition("Degraded") == "True"
    return world


def experiment() -> Recorded:
    """A run of somebody's own, whose gate it does not pass."""
    world = in_production()
    world.chrf = "31.5"
    world.create_run("experiment", {"training": {"seed": 9}})
    world.settle()
    return world


STORIES: Mapping[str, Story] = {
    "happy path": happy_path,
    "a gate fails": gate_failure,
    "a gate fails, and nothing serves yet": first_gate_failure,
    "its data is broken": broken_data,
    "the serving check fails": serving_check_failure,
    "aborted under traffic": aborted_under_traffic,
    "retried after that": retried,
    "suspended, and changed meanwhile": suspended,
    "suspended from the start": suspended_before_the_first,
    "suspended while it trains": suspended_while_it_trains,
    "superseded while it trains": superseded,
    "production is not ready": production_not_ready,
    "KServe comes later": no_kserve,
    "its run is refused": run_refused,
    "its gateway is not known": unknown_gateway,
    "an approval is waited for": approval,
    "a pause without an end": pause_without_an_end,
    "paused by hand": paused_by_hand,
    "rolled back by hand": rolled_back_by_hand,
    "blessed by hand": blessed_by_hand,
    "in Knative mode, aborted under traffic": aborted_in_knative,
    "its analysis fails": analysis_failure,
    "there is no data": no_data,
    "rejected, then suspended": rejected_then_suspended,
    "rejected, then refused": rejected_then_refused,
    "suspended under traffic": suspended_under_traffic,
    "KServe goes away under traffic": kserve_goes_away_under_traffic,
    "a canary that is not ready": canary_not_ready,
    "aborted while it waits": aborted_while_paused,
    "reverted, and asked for again": reverted,
    "an experiment that fails its gate": experiment,
}


def _lost() -> ObservedRun:
    """A run whose Job completed without a message that can be read."""
    return training(job_view(Stage.TRAIN, JobState.COMPLETE, finished=NOW - timedelta(minutes=1)))


RUNS: Mapping[str, ObservedRun] = {
    "it is suspended": replace(training(), spec={**OWN_SPEC, "suspend": True}),
    "no node has room": training(job_view(Stage.TRAIN, ACTIVE, waiting="Unschedulable: 0/1 nodes")),
    "its claim is missing": replace(training(), claims={"models": False}),
    "its queue has no room": training(job_view(Stage.TRAIN, JobState.SUSPENDED)),
    "its Job is at work": training(job_view(Stage.TRAIN, ACTIVE, running=True)),
    "its result was lost": _lost(),
    "it is evaluated": evaluating(),
    "it passed": judged(),
    "it did not pass": judged(comparison(value="1")),
    "it did not pass, and is a candidate": judged(
        comparison(value="1"), spec={**OWN_SPEC, "candidate": True}
    ),
    "out of memory": training(job_view(Stage.TRAIN, ACTIVE, oom_killed=True)),
    "its Job's name is taken": training(
        replace(_active := job_view(Stage.TRAIN, ACTIVE), meta=replace(_active.meta, owner=None))
    ),
}


def decided(observed: ObservedRun) -> Object:
    """Return a run after one decision about it."""
    plan = decide_run(observed)
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN_KIND,
        "metadata": {"name": observed.meta.name, "generation": observed.meta.generation},
        "spec": dict(observed.spec),
        "status": plan.status or observed.status,
    }


@cache
def _played(story: str) -> Recorded:
    return STORIES[story]()


def recorded(story: str) -> tuple[Object, ...]:
    """Return all objects of a story, in order of kind and time."""
    world = _played(story)
    return (*world.models, *world.made_runs)


def moments(story: str) -> list[Recorded]:
    """Return the world of a story after each write of the model's status; copy it to go on."""
    return _played(story).moments
