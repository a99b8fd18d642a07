"""How runs fail, and how results that were lost are found again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.builders import NOW, job_view, jobs, spec_with, train_result
from tests.operator.run_builders import ACTIVE, condition, evaluating, named, said, training

from mt_contract.names import Stage
from mt_contract.report import Failure, ProbeResult
from mt_operator.core.observed import JobState, JobView, ObservedRun
from mt_operator.core.plan import Ref
from mt_operator.core.run.decide import decide_run

FAILURES = [
    pytest.param(
        {"message": Failure("DataInvalid", "train.tsv line 3: no tab"), "exit_code": 3},
        "DataInvalid",
        "train.tsv line 3: no tab",
        id="bad data",
    ),
    pytest.param(
        {"message": Failure("Diverged", "loss is nan"), "failure": "PodFailurePolicy: x"},
        "Diverged",
        "loss is nan",
        id="diverged",
    ),
    pytest.param(
        {"message": Failure("Odd", "who knows")},
        "RunFailed",
        "Odd: who knows",
        id="a reason that is not ours",
    ),
    pytest.param(
        {"oom_killed": True, "exit_code": 137, "failure": "BackoffLimitExceeded: x"},
        "OutOfMemory",
        "was killed at its memory limit of 8Gi: raise spec.training.resources.limits.memory",
        id="out of memory",
    ),
    pytest.param(
        {"failure": "DeadlineExceeded: x", "message": Failure("StorageUnavailable", "full")},
        "DeadlineExceeded",
        "ran longer than its activeDeadline of 1h",
        id="the deadline, whatever the pod said before",
    ),
    pytest.param(
        {"failure": "BackoffLimitExceeded: x", "exit_code": 139},
        "BackoffLimitExceeded",
        "4 pods of Job",
        id="too many attempts",
    ),
    pytest.param(
        {"failure": "BackoffLimitExceeded: x", "message": Failure("StorageUnavailable", "full")},
        "StorageUnavailable",
        "full",
        id="too many attempts, with a word",
    ),
    pytest.param({}, "RunFailed", "no reason given", id="not a word"),
]


@pytest.mark.parametrize(("changes", "reason", "words"), FAILURES)
def test_a_failed_job_ends_the_run_and_says_why(
    changes: dict[str, Any], reason: str, words: str
) -> None:
    spec = spec_with(training={"activeDeadline": "1h"})
    observed = training(job_view(Stage.TRAIN, JobState.FAILED, **changes), spec=spec)
    plan = decide_run(observed)
    assert plan.status is not None
    text = said(observed, "Failed")
    assert text.startswith(f"True {reason}: ")
    assert words in text
    assert said(observed, "Trained").startswith("False")
    assert said(observed, "Succeeded").startswith("False")
    assert condition(observed, "Reconciling") is None
    assert (condition(observed, "DataValid") is None) == (reason != "DataInvalid")
    assert plan.status["completionTime"] == "2026-11-21T12:00:00Z"
    assert plan.status["progress"]["stage"] == "Failed"
    assert [(event.type, event.reason) for event in plan.events] == [("Warning", reason)]


def test_a_failed_evaluation_ends_the_run_too() -> None:
    message = Failure("ArtifactInvalid", "a file differs from its digest")
    observed = evaluating(job_view(Stage.EVALUATE, JobState.FAILED, message=message))
    assert said(observed, "Failed").startswith("True ArtifactInvalid")
    assert said(observed, "Evaluated").startswith("False")
    assert said(observed, "Trained").startswith("True")


def test_out_of_memory_is_not_tried_again_with_the_same_limit() -> None:
    killed = job_view(Stage.TRAIN, ACTIVE, oom_killed=True, exit_code=137)
    observed = training(killed)
    first = decide_run(observed)
    assert first.delete == ()  # the status first
    assert said(observed, "Failed").startswith("True OutOfMemory")
    over = replace(observed, status=first.status or {})
    ref = Ref("batch/v1", "Job", killed.meta.name, killed.meta.uid)
    assert decide_run(over).delete == (ref,)


def test_a_trainer_that_names_no_digest_published_nothing() -> None:
    view = job_view(Stage.TRAIN, JobState.COMPLETE, message=train_result(artifact={}))
    assert said(training(view), "Failed").startswith("True ArtifactInvalid")


LOST = job_view(Stage.TRAIN, JobState.COMPLETE, finished=NOW - timedelta(minutes=1))


def test_a_result_is_called_lost_only_after_a_moment() -> None:
    at_once = training(replace(LOST, finished=NOW - timedelta(seconds=5)))
    assert said(at_once, "Reconciling").startswith("True Collecting")


def collecting(*views: JobView) -> ObservedRun:
    before = training(LOST)
    plan = decide_run(before)
    assert plan.apply == ()  # stored first
    assert plan.status is not None
    assert plan.status["attempts"]["collectTrain"] == 1
    return replace(before, status=plan.status, jobs=jobs(LOST, *views))


def test_a_result_that_was_lost_is_collected() -> None:
    (child,) = decide_run(collecting()).apply
    assert child.key == named(Stage.COLLECT_TRAIN)
    done = job_view(Stage.COLLECT_TRAIN, JobState.COMPLETE, message=train_result())
    assert said(collecting(done), "Trained").startswith("True")


def test_a_message_of_another_kind_is_a_lost_result() -> None:
    view = replace(LOST, message=ProbeResult(1, "1", 0))
    assert said(training(view), "Reconciling").startswith("True Collecting")


def test_a_lost_evaluation_is_collected_by_its_own_job() -> None:
    view = job_view(Stage.EVALUATE, JobState.COMPLETE)
    observed = evaluating(view)
    again = replace(observed, status=decide_run(observed).status or {})
    (child,) = decide_run(again).apply
    assert child.key == named(Stage.COLLECT_EVALUATE)


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(job_view(Stage.COLLECT_TRAIN, JobState.COMPLETE), id="it said nothing"),
        pytest.param(
            job_view(
                Stage.COLLECT_TRAIN, JobState.FAILED, message=Failure("StorageUnavailable", "gone")
            ),
            id="it failed",
        ),
    ],
)
def test_a_result_that_cannot_be_collected_ends_the_run(view: JobView) -> None:
    text = said(collecting(view), "Failed")
    assert text.startswith("True ResultLost: Job pt-en-7h2xk-train-")
    assert text.endswith("Then start the run again.")
