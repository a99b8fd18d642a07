"""Runs at each stage, as a decision observes them, and what it says of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.operator.builders import (
    DIGEST,
    MODEL_REFERENCE,
    MODEL_UID,
    NAMESPACE,
    NOW,
    RUN,
    RUN_UID,
    SPEC,
    comparison,
    evaluation_result,
    job_view,
    jobs,
    model_view,
    observed_run,
    spec_with,
    train_result,
)

from mt_contract.names import Stage, job_name
from mt_contract.resource import Condition
from mt_operator.core.conditions import get_condition, read_conditions
from mt_operator.core.observed import JobState, JobView, Meta, ObservedRun, RunView
from mt_operator.core.run.decide import decide_run

ACTIVE = JobState.ACTIVE
ENGINE = {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4, "image": "p:0"}
PRODUCTION = {
    "revision": "r-1",
    "run": "pt-en-old",
    "artifact": {"uri": "pvc://models/old/model", "digest": DIGEST},
    "engine": ENGINE,
}
BY_DELTA = {
    **MODEL_REFERENCE,
    **spec_with(
        evaluation={"gates": [{"name": "r", "metric": "chrF", "min": "40", "minDelta": "0"}]}
    ),
}


def named(stage: Stage) -> tuple[str, str]:
    """Return the key of the run's first Job of ``stage``."""
    return "Job", job_name(RUN, RUN_UID, stage, 1)


def training(*views: JobView, **changes: Any) -> ObservedRun:
    """Return a run whose inputs are stored, with these Jobs."""
    fresh = observed_run(changes.pop("spec", None), model=changes.pop("model", None))
    status = decide_run(fresh).status
    assert status is not None
    return replace(fresh, status=status, jobs=jobs(*views), **changes)


def evaluating(*views: JobView, **changes: Any) -> ObservedRun:
    """Return a run whose artifact is stored, with these Jobs besides the train Job."""
    trained = job_view(Stage.TRAIN, JobState.COMPLETE, message=train_result())
    before = training(trained, **changes)
    status = decide_run(before).status
    assert status is not None
    return replace(before, status=status, jobs=jobs(trained, *views))


def condition(observed: ObservedRun, type: str) -> Condition | None:
    """Return the condition as it is after the decision."""
    status = decide_run(observed).status
    return get_condition(read_conditions(observed.status if status is None else status), type)


def said(observed: ObservedRun, type: str) -> str:
    """Return the condition in words: status, reason and message."""
    found = condition(observed, type)
    assert found is not None
    return f"{found.status} {found.reason}: {found.message}"


def judged(*rows: Any, **changes: Any) -> ObservedRun:
    """Return a run whose evaluation measured these rows."""
    message = evaluation_result(*rows)
    return evaluating(job_view(Stage.EVALUATE, JobState.COMPLETE, message=message), **changes)


def measuring_run(name: str = "pt-en-before", minute: int = 0, **changes: Any) -> RunView:
    """Return a run of the same model that is over, as its Jobs' results left it.

    Args:
        name: of the run.
        minute: at which it ended.
        changes: of its observation: a spec, a model.
    """
    spec = changes.pop("spec", {**MODEL_REFERENCE, **SPEC})
    model = changes.pop("model", model_view())
    rows = changes.pop("rows", (comparison(),))
    over = judged(*rows, spec=spec, model=model)
    over = replace(over, now=NOW + timedelta(minutes=minute))
    status = decide_run(over).status
    assert status is not None
    meta = Meta(name, NAMESPACE, f"uid-of-{name}", owner=MODEL_UID)
    return RunView(replace(meta, **changes), spec, status)
