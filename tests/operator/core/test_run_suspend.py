"""Suspended runs and models: what stops, what goes on, what stays."""

from __future__ import annotations

from dataclasses import replace

from tests.operator.builders import (
    MODEL_REFERENCE,
    SPEC,
    job_view,
    model_view,
    run_meta,
    spec_with,
    train_result,
)
from tests.operator.run_builders import ACTIVE, judged, named, said, training

from mt_contract.names import Stage
from mt_operator.core.observed import JobState
from mt_operator.core.plan import Ref
from mt_operator.core.run.decide import decide_run

SUSPENDED = spec_with(suspend=True)


def test_suspending_a_run_stops_its_job_and_keeps_its_place() -> None:
    view = job_view(Stage.TRAIN, ACTIVE, running=True)
    at_work = training(view)
    stopped = replace(at_work, spec=SUSPENDED)
    plan = decide_run(stopped)
    assert plan.delete == (Ref("batch/v1", "Job", view.meta.name, view.meta.uid),)
    assert said(stopped, "Reconciling").startswith("True Suspended")
    gone = replace(stopped, status=plan.status or {}, jobs={})
    assert decide_run(gone).apply == ()
    (child,) = decide_run(replace(gone, spec=SPEC)).apply
    assert child.key == named(Stage.TRAIN)


def test_a_suspended_run_waits_for_nothing() -> None:
    view = job_view(Stage.TRAIN, ACTIVE)
    going = replace(view, meta=replace(view.meta, deleting=True))
    observed = replace(training(going), spec=SUSPENDED)
    assert decide_run(observed).delete == ()
    assert said(observed, "Reconciling").startswith("True Suspended")


def test_a_suspended_model_starts_no_job_and_stops_none() -> None:
    spec = {**MODEL_REFERENCE, **SPEC}
    model = model_view(spec_with(suspend=True))
    assert decide_run(replace(training(spec=spec, model=model_view()), model=model)).apply == ()
    view = job_view(Stage.TRAIN, ACTIVE, running=True)
    at_work = replace(training(view, spec=spec, model=model_view()), model=model)
    assert decide_run(at_work).delete == ()
    assert said(at_work, "Reconciling").startswith("True Training")


def test_what_a_suspended_run_had_finished_is_still_taken_over() -> None:
    view = job_view(Stage.TRAIN, JobState.COMPLETE, message=train_result())
    assert said(replace(training(view), spec=SUSPENDED), "Trained").startswith("True")


def test_a_run_that_is_over_notes_a_new_generation_and_nothing_else() -> None:
    over = replace(judged(), status=decide_run(judged()).status or {})
    edited = replace(over, meta=run_meta(generation=2), spec=SUSPENDED)
    assert decide_run(edited).status == {**over.status, "observedGeneration": 2}
