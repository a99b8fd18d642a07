"""Rollouts, recorded: every status that models and runs were ever seen with, as objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache

from tests.gitops.recording import Object, Recorded
from tests.gitops.stories_of_candidates import (
    aborted_under_traffic,
    broken_data,
    canary_not_ready,
    first_gate_failure,
    gate_failure,
    happy_path,
    kserve_goes_away_under_traffic,
    no_kserve,
    production_not_ready,
    rejected_then_refused,
    rejected_then_suspended,
    retried,
    reverted,
    run_refused,
    serving_check_failure,
    superseded,
    suspended,
    suspended_before_the_first,
    suspended_under_traffic,
    suspended_while_it_trains,
    unknown_gateway,
)
from tests.gitops.stories_of_people import (
    aborted_in_knative,
    aborted_while_paused,
    analysis_failure,
    approval,
    blessed_by_hand,
    experiment,
    imported,
    no_data,
    pause_without_an_end,
    paused_by_hand,
    rolled_back_by_hand,
)
from tests.operator.builders import NOW, comparison, job_view
from tests.operator.builders import SPEC as OWN_SPEC
from tests.operator.run_builders import ACTIVE, evaluating, judged, training

from mt_contract import names
from mt_contract.defaults import drop
from mt_contract.names import Stage
from mt_operator.core.observed import JobState, ObservedRun
from mt_operator.core.run.decide import decide_run

Story = Callable[[], "Recorded"]


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
    "a model made elsewhere": imported,
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
    "its model is imported": training(
        job_view(Stage.IMPORT, ACTIVE, running=True),
        spec=drop(OWN_SPEC, frozenset({"training"}))
        | {"import": {"uri": "pvc://models/elsewhere"}},
    ),
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
