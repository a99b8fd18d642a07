"""What a trainer tells of its progress, and how much of it is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.builders import NOW, job_view, train_result
from tests.operator.run_builders import ACTIVE, training

from mt_contract.names import Stage
from mt_operator.core.observed import JobState
from mt_operator.core.run.decide import decide_run

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
