"""What is decided about a run at each stage: observed, then planned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.builders import (
    DIGEST,
    MODEL_REFERENCE,
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
    run_meta,
    spec_with,
    train_result,
)

from mt_contract.names import Stage, job_name
from mt_contract.report import Failure, ProbeResult
from mt_contract.resource import Condition
from mt_operator.core.conditions import get_condition, read_conditions
from mt_operator.core.observed import JobState, JobView, ObservedRun
from mt_operator.core.plan import Event, ImpossibleError, Ref
from mt_operator.core.run import decide
from mt_operator.core.run.decide import decide_run
from mt_operator.core.run.stage import TRANSITIONS, RunStage, diagram

ENGINE = {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4, "image": "p:0"}
PRODUCTION = {
    "revision": "r-1",
    "run": "pt-en-old",
    "artifact": {"uri": "pvc://models/old/model", "digest": DIGEST},
    "engine": ENGINE,
}


def named(stage: Stage) -> tuple[str, str]:
    return "Job", job_name(RUN, RUN_UID, stage, 1)


def training(*views: JobView, **changes: Any) -> ObservedRun:
    """A run whose inputs are stored, with these Jobs."""
    fresh = observed_run(changes.pop("spec", None), model=changes.pop("model", None))
    status = decide_run(fresh).status
    assert status is not None
    return replace(fresh, status=status, jobs=jobs(*views), **changes)


def evaluating(*views: JobView, **changes: Any) -> ObservedRun:
    """A run whose artifact is stored, with these Jobs besides the train Job."""
    trained = job_view(Stage.TRAIN, JobState.COMPLETE, message=train_result())
    before = training(trained, **changes)
    status = decide_run(before).status
    assert status is not None
    return replace(before, status=status, jobs=jobs(trained, *views))


def condition(observed: ObservedRun, type: str) -> Condition | None:
    """The condition as it is after the decision."""
    status = decide_run(observed).status
    return get_condition(read_conditions(observed.status if status is None else status), type)


def said(observed: ObservedRun, type: str) -> str:
    found = condition(observed, type)
    assert found is not None
    return f"{found.status} {found.reason}: {found.message}"


def test_the_picture_at_the_top_of_decide_is_the_table() -> None:
    assert decide.__doc__ is not None
    assert diagram() in decide.__doc__
    ends = {way.source for way in TRANSITIONS} ^ {way.target for way in TRANSITIONS}
    assert ends == {RunStage.RESOLVING, RunStage.SUCCEEDED, RunStage.FAILED}


@pytest.mark.parametrize(
    ("observed", "stage"),
    [
        pytest.param(training(), Stage.TRAIN, id="the train Job"),
        pytest.param(evaluating(), Stage.EVALUATE, id="the evaluate Job"),
    ],
)
def test_a_job_that_the_stored_status_asks_for_is_made(observed: ObservedRun, stage: Stage) -> None:
    (child,) = decide_run(observed).apply
    assert child.key == named(stage)


ACTIVE = JobState.ACTIVE
WAITS = [
    pytest.param(
        job_view(Stage.TRAIN, ACTIVE, running=True), "Training", "is at work", id="it runs"
    ),
    pytest.param(job_view(Stage.TRAIN, ACTIVE), "Training", "is starting", id="it starts"),
    pytest.param(
        job_view(Stage.TRAIN, ACTIVE, waiting="Unschedulable: 0/1 nodes: Insufficient gpu"),
        "WaitingForPod",
        "waiting: Unschedulable: 0/1 nodes: Insufficient gpu",
        id="no node has room",
    ),
    pytest.param(
        job_view(Stage.TRAIN, ACTIVE, exit_code=137),
        "Training",
        "tries again: its last pod ended with exit code 137",
        id="between two attempts",
    ),
    pytest.param(
        job_view(Stage.TRAIN, ACTIVE, exit_code=5, message=Failure("StorageUnavailable", "full")),
        "Training",
        "tries again, after StorageUnavailable: full",
        id="between two attempts, with a word",
    ),
    pytest.param(
        job_view(
            Stage.TRAIN,
            ACTIVE,
            message=Failure("StorageUnavailable", "full"),
            waiting="StorageUnavailable: full",
        ),
        "Training",
        "tries again, after StorageUnavailable: full",
        id="a pod that failed is not one that waits",
    ),
    pytest.param(
        job_view(
            Stage.TRAIN,
            ACTIVE,
            message=Failure("StorageUnavailable", "full"),
            waiting="Unschedulable: 0/1 nodes",
        ),
        "WaitingForPod",
        "waiting: Unschedulable: 0/1 nodes",
        id="after one that failed, the next one waits",
    ),
    pytest.param(
        job_view(Stage.TRAIN, JobState.SUSPENDED),
        "WaitingForQuota",
        "suspended by somebody else",
        id="somebody suspended it",
    ),
    pytest.param(
        job_view(Stage.TRAIN, JobState.COMPLETE, finished=NOW - timedelta(seconds=1)),
        "Training",
        "its result is being read",
        id="it completed a moment ago, its pod's message is not seen yet",
    ),
    pytest.param(
        replace(
            job_view(Stage.TRAIN, ACTIVE),
            meta=replace(job_view(Stage.TRAIN, ACTIVE).meta, deleting=True),
        ),
        "Training",
        "is being deleted",
        id="it is being deleted",
    ),
]


@pytest.mark.parametrize(("view", "reason", "words"), WAITS)
def test_while_a_job_is_at_work_the_run_says_what_it_waits_for(
    view: JobView, reason: str, words: str
) -> None:
    observed = training(view)
    plan = decide_run(observed)
    assert (plan.apply, plan.delete) == ((), ())
    assert plan.requeue_after is not None
    text = said(observed, "Reconciling")
    assert text.startswith(f"True {reason}: ")
    assert words in text


def test_a_queued_job_names_its_queue() -> None:
    spec = spec_with(training={"queueName": "mt"})
    observed = training(job_view(Stage.TRAIN, JobState.SUSPENDED), spec=spec)
    assert "until queue mt admits it" in said(observed, "Reconciling")


@pytest.mark.parametrize("claim", ["models", "corpora"])
def test_a_missing_claim_is_named_before_a_job_is_made(claim: str) -> None:
    observed = training(claims={"models": True, "corpora": True, claim: False})
    plan = decide_run(observed)
    assert plan.apply == ()
    assert plan.requeue_after is not None
    assert said(observed, "Reconciling") == (
        f"True WaitingForStorage: PersistentVolumeClaim {claim} does not exist in this namespace: "
        "create it."
    )


def test_a_claim_that_nobody_looked_for_is_left_to_the_scheduler() -> None:
    assert decide_run(training(claims={})).apply


@pytest.mark.parametrize("owner", [None, "another-uid"])
def test_a_name_that_is_taken_stalls_and_touches_nothing(owner: str | None) -> None:
    view = job_view(Stage.TRAIN, JobState.COMPLETE, message=train_result())
    observed = training(replace(view, meta=replace(view.meta, owner=owner)))
    plan = decide_run(observed)
    assert (plan.apply, plan.delete) == ((), ())
    assert said(observed, "Stalled").startswith("True NameTaken: Job pt-en-7h2xk-train-")
    assert condition(observed, "Reconciling") is None


def test_a_name_that_is_free_again_is_used() -> None:
    view = job_view(Stage.TRAIN, ACTIVE)
    taken = training(replace(view, meta=replace(view.meta, owner=None)))
    stalled = replace(taken, status=decide_run(taken).status or {})
    for free in (replace(stalled, jobs={}), replace(stalled, jobs=jobs(view))):
        assert condition(free, "Stalled") is None
        assert condition(free, "Reconciling") is not None


def test_a_deleted_job_is_made_again_under_its_name() -> None:
    at_work = training(job_view(Stage.TRAIN, ACTIVE, running=True))
    status = decide_run(at_work).status
    assert status is not None
    (child,) = decide_run(replace(at_work, status=status, jobs={})).apply
    assert child.key == named(Stage.TRAIN)


def test_a_result_is_taken_over_and_the_evaluation_begins() -> None:
    observed = evaluating()
    status = observed.status
    folder = f"pvc://models/pt-en/{RUN}-{RUN_UID[:8]}"
    assert status["artifact"] == {
        "uri": f"{folder}/model",
        "digest": DIGEST,
        "sizeBytes": 9_123_456,
    }
    assert status["dataset"]["pairs"] == 5600
    assert status["usage"] == {"cpuSeconds": 2100, "gpuSeconds": 0}
    assert status["attempts"] == {"train": 1, "evaluate": 1}
    assert status["progress"] == {
        "stage": "Evaluating",
        "progressPercentage": 100,
        "metrics": [
            {"name": "loss", "value": "2.31"},
            {"name": "validationLoss", "value": "2.44"},
        ],
    }
    assert said(observed, "DataValid") == "True DataAccepted: 5600 pairs, 12 rejected."
    assert said(observed, "Trained").startswith("True Trained")


def test_the_baseline_is_production_as_it_is_when_the_evaluation_begins() -> None:
    spec = {**MODEL_REFERENCE, **SPEC}
    observed = evaluating(spec=spec, model=model_view(status={"production": PRODUCTION}))
    assert observed.status["inputs"]["baseline"] == {
        "run": "pt-en-old",
        "uri": "pvc://models/old/model",
        "digest": DIGEST,
        "engine": ENGINE,
    }
    later = replace(observed, model=model_view(status={"production": {}}))
    assert decide_run(later) == decide_run(observed)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"model": model_view()}, id="nothing is in production"),
        pytest.param(
            {
                "spec": {**MODEL_REFERENCE, **spec_with(evaluation={"baseline": "None"})},
                "model": model_view(status={"production": PRODUCTION}),
            },
            id="the user wants none",
        ),
        pytest.param({}, id="the run has no model"),
    ],
)
def test_there_may_be_no_baseline(changes: dict[str, Any]) -> None:
    assert "baseline" not in evaluating(**changes).status["inputs"]


def test_what_a_trainer_of_ones_own_says_is_kept_only_where_it_fits() -> None:
    result = train_result(
        dataset={"digest": "x" * 99, "pairs": True, "rejectedPairs": -1, "anomalies": [1] * 99},
        metrics={"loss": "9" * 99, "": "1"},
        usage={"cpuSeconds": -1},
        artifact={"digest": DIGEST, "sizeBytes": "many"},
    )
    view = job_view(Stage.TRAIN, JobState.COMPLETE, message=result)
    status = decide_run(training(view)).status
    assert status is not None
    assert status["dataset"] == {"anomalies": ["1"] * 64}
    assert status["progress"]["metrics"] == []
    assert status["usage"] == {}
    assert set(status["artifact"]) == {"uri", "digest"}


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


def judged(*rows: Any, **changes: Any) -> ObservedRun:
    message = evaluation_result(*rows)
    return evaluating(job_view(Stage.EVALUATE, JobState.COMPLETE, message=message), **changes)


def test_scores_are_judged_and_the_run_is_over() -> None:
    plan = decide_run(judged())
    assert plan.status is not None
    assert plan.status["evaluation"] == {
        "scores": {"chrF": "48.2", "BLEU": "27.9"},
        "signatures": {"chrF": "nrefs:1"},
        "gates": [
            {
                "name": "quality",
                "metric": "chrF",
                "rule": "min 40",
                "verdict": "Passed",
                "message": "gate quality: chrF is 48.2, not below min 40",
                "value": "48.2",
            }
        ],
        "verdict": "Passed",
        "report": "pvc://models/pt-en/evaluation/report.json",
    }
    assert said(judged(), "Blessed") == "True Blessed: All gates passed (1)."
    assert said(judged(), "Succeeded").startswith("True Completed")
    assert condition(judged(), "Reconciling") is None
    assert plan.status["progress"]["stage"] == "Succeeded"
    assert plan.events == (Event("Normal", "Blessed", "All gates passed (1)."),)


def test_a_run_whose_gates_fail_did_run() -> None:
    observed = judged(comparison(value="12.5"))
    assert said(observed, "Succeeded").startswith("True")
    assert said(observed, "Blessed") == (
        "False GateFailed: gate quality: chrF is 12.5, below min 40"
    )
    assert [event.type for event in decide_run(observed).events] == ["Warning"]


BY_DELTA = {
    **MODEL_REFERENCE,
    **spec_with(
        evaluation={"gates": [{"name": "r", "metric": "chrF", "min": "40", "minDelta": "0"}]}
    ),
}


def test_an_open_question_blesses_nothing() -> None:
    row = comparison(delta="0.1", low="-1", high="1")
    model = model_view(status={"production": PRODUCTION})
    observed = judged(row, spec=BY_DELTA, model=model)
    assert said(observed, "Blessed").startswith("False GateInconclusive: gate r: chrF differs by")
    assert said(observed, "Succeeded").startswith("True")


def test_a_blessing_without_a_baseline_says_so() -> None:
    observed = judged(spec=BY_DELTA, model=model_view())
    assert "There was no baseline" in said(observed, "Blessed")
    row = comparison(delta="1", low="0", high="2")
    compared = judged(row, spec=BY_DELTA, model=model_view(status={"production": PRODUCTION}))
    assert said(compared, "Blessed") == "True Blessed: All gates passed (1)."


def test_what_stalled_a_run_is_forgotten_when_it_ends_well() -> None:
    observed = judged()
    stalled = {"type": "Stalled", "status": "True", "reason": "NameTaken", "message": "x"}
    stalled |= {"observedGeneration": 1, "lastTransitionTime": "2026-11-21T11:00:00Z"}
    status = dict(observed.status)
    status["conditions"] = [*status["conditions"], stalled]
    assert condition(replace(observed, status=status), "Stalled") is None


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


TOLD = {
    "step": 4200,
    "totalSteps": 10000,
    "epoch": 3,
    "progressPercentage": 42,
    "estimatedRemainingSeconds": 310,
    "metrics": [{"name": "loss", "value": "2.31"}],
    "lastUpdatedTime": "2026-11-21T11:59:58Z",
}


def at_work(told: Any, seconds: int = 0, **stored: Any) -> dict[str, Any]:
    """The progress after a decision that sees ``told``, so long after the last one was stored."""
    view = job_view(Stage.TRAIN, ACTIVE, running=True, progress=told)
    before = training(view)
    status = dict(before.status) | {"progress": {"stage": "Training"} | stored}
    observed = replace(before, status=status, now=NOW + timedelta(seconds=seconds))
    return dict((decide_run(observed).status or status)["progress"])


def test_progress_is_shown_as_columns_read_it() -> None:
    shown = {"stage": "Training", "lastUpdatedTime": "2026-11-21T12:00:00Z"}
    assert at_work(TOLD) == TOLD | shown


def test_progress_is_written_only_so_often() -> None:
    stored = TOLD | {"step": 4100, "lastUpdatedTime": "2026-11-21T12:00:00Z"}
    assert at_work(TOLD, seconds=14, **stored)["step"] == 4100
    fresh = at_work(TOLD, seconds=15, **stored)
    assert (fresh["step"], fresh["lastUpdatedTime"]) == (4200, "2026-11-21T12:00:15Z")


def test_the_same_progress_is_not_written_again() -> None:
    assert at_work(TOLD, seconds=60, **TOLD)["lastUpdatedTime"] == TOLD["lastUpdatedTime"]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(None, id="nothing was heard"),
        pytest.param({}, id="an empty answer"),
        pytest.param({"step": "many", "metrics": "none"}, id="wrong types"),
        pytest.param({"step": -1, "progressPercentage": 101, "epoch": True}, id="out of range"),
        pytest.param(
            {"metrics": [7, {"name": "loss"}, {"name": "x" * 64, "value": "1"}]}, id="odd"
        ),
    ],
)
def test_what_is_no_progress_is_left_out(told: Any) -> None:
    assert at_work(told) == {"stage": "Training"}


def test_the_last_step_is_progress_too() -> None:
    assert at_work({"progressPercentage": 100})["progressPercentage"] == 100


def test_what_was_left_to_do_is_dropped_when_it_is_done() -> None:
    before = training(job_view(Stage.TRAIN, JobState.COMPLETE, message=train_result()))
    status = dict(before.status) | {"progress": TOLD | {"stage": "Training"}}
    after = decide_run(replace(before, status=status)).status
    assert after is not None
    assert "estimatedRemainingSeconds" not in after["progress"]
    assert after["progress"]["progressPercentage"] == 100


def test_metrics_are_named_once_and_bounded() -> None:
    many = [{"name": f"m{number // 2}", "value": str(number)} for number in range(100)]
    metrics = at_work({"metrics": many})["metrics"]
    assert len(metrics) == 16
    assert metrics[0] == {"name": "m0", "value": "1"}


def test_progress_is_looked_at_as_often_as_it_is_written() -> None:
    observed = training(job_view(Stage.TRAIN, ACTIVE, running=True))
    assert decide_run(observed).requeue_after == observed.settings.progress_interval


def test_nothing_is_written_while_nothing_changes() -> None:
    for observed in (training(WAITS[0].values[0]), judged(), training()):  # type: ignore[arg-type]
        status = decide_run(observed).status or observed.status
        again = decide_run(replace(observed, status=status, now=NOW + timedelta(hours=1)))
        assert again.status is None
        assert again.events == ()


def test_a_run_that_is_over_notes_a_new_generation_and_nothing_else() -> None:
    over = replace(judged(), status=decide_run(judged()).status or {})
    edited = replace(over, meta=run_meta(generation=2), spec=SUSPENDED)
    assert decide_run(edited).status == {**over.status, "observedGeneration": 2}


def test_finished_jobs_stay_with_the_run_for_their_logs() -> None:
    over = replace(judged(), status=decide_run(judged()).status or {})
    assert decide_run(over).delete == ()


def test_a_job_of_somebody_else_is_not_stopped_with_ours() -> None:
    over = replace(judged(), status=decide_run(judged()).status or {})
    other = job_view(Stage.PROBE, ACTIVE)
    other = replace(other, meta=replace(other.meta, owner="another-uid"))
    gone = job_view(Stage.TRAIN, ACTIVE)
    gone = replace(gone, meta=replace(gone.meta, deleting=True))
    assert decide_run(replace(over, jobs=jobs(other, gone))).delete == ()


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"attempts": {"train": 1}}, id="a Job is due, but of what"),
        pytest.param(dict(evaluating().status) | {"artifact": None}, id="no artifact to evaluate"),
        pytest.param(dict(training().status) | {"inputs": {"folder": 7}}, id="inputs of no shape"),
        pytest.param({"conditions": [{}]}, id="conditions of no shape"),
    ],
)
def test_a_status_that_no_decision_leads_to_is_not_acted_on(status: dict[str, Any]) -> None:
    with pytest.raises(ImpossibleError):
        decide_run(observed_run(status=status))
