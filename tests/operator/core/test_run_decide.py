"""What is decided about a run at each stage: observed, then planned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.builders import (
    DIGEST,
    NOW,
    RUN,
    RUN_UID,
    job_view,
    jobs,
    observed_run,
    spec_with,
    train_result,
)
from tests.operator.run_builders import ACTIVE, condition, evaluating, judged, named, said, training

from mt_contract.names import Stage
from mt_contract.report import Failure
from mt_operator.core.observed import JobState, JobView, ObservedRun
from mt_operator.core.plan import ImpossibleError
from mt_operator.core.run import decide
from mt_operator.core.run.decide import decide_run
from mt_operator.core.run.stage import TRANSITIONS, RunStage, diagram


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
        job_view(Stage.TRAIN, ACTIVE, exit_code=0, message=train_result()),
        "Training",
        "has its result, and is ending",
        id="a pod is done, its Job not yet",
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


def test_nothing_is_written_while_nothing_changes() -> None:
    for observed in (training(WAITS[0].values[0]), judged(), training()):  # type: ignore[arg-type]
        status = decide_run(observed).status or observed.status
        again = decide_run(replace(observed, status=status, now=NOW + timedelta(hours=1)))
        assert again.status is None
        assert again.events == ()


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
