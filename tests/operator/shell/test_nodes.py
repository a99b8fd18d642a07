"""Which pod tells what of a Job whose pods train together."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.shell.test_views import (
    FAILURE,
    RESULT,
    T0,
    T1,
    T2,
    ended,
    job,
    pod,
    terminated,
)

from mt_contract.report import Failure, Message, encode
from mt_operator.core.observed import JobView
from mt_operator.shell.views import job_view

LOST = encode(Failure("InternalError", "the others are gone"))
ALONE = Failure("NodeLost", "2 of 3 nodes came within 10 minutes")
BAD = Failure("DataInvalid", "train.tsv line 3")
TOO_MANY = ended("Failed", "MaxFailedIndexesExceeded", "")


def node(index: int, phase: str, created: str = T0, **state: Any) -> dict[str, Any]:
    found = pod(f"p-{index}-{created}", phase, created, **state)
    found["metadata"]["annotations"] = {"batch.kubernetes.io/job-completion-index": str(index)}
    return found


def failed(index: int, message: str, code: int, at: str = T1, **more: Any) -> dict[str, Any]:
    return node(index, "Failed", **terminated(message, code, at, **more))


def view(*pods: dict[str, Any], condition: dict[str, str] | None = None) -> JobView:
    return job_view(job(*([condition] if condition else []), completions=3), pods)


def test_the_result_is_the_first_pods_whoever_ended_last() -> None:
    first = node(0, "Succeeded", **terminated(encode(RESULT), 0, T1, "Completed"))
    later = node(1, "Succeeded", **terminated("", 0, T2, "Completed"))
    assert view(later, first, condition=ended("Complete")).message == RESULT
    assert view(later, condition=ended("Complete")).message is None


def test_once_the_first_is_done_what_others_failed_of_counts_no_more() -> None:
    first = node(0, "Succeeded", T1, **terminated(encode(RESULT), 0, T2, "Completed"))
    found = view(first, failed(0, LOST, 1, T1), failed(2, encode(BAD), 3, T2))
    assert (found.message, found.exit_code, found.running) == (RESULT, 0, False)
    refused = view(first, failed(2, encode(BAD), 3, T2), condition=ended("Failed"))
    assert (refused.message, refused.exit_code) == (BAD, 3)


UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "no GPU",
}


def pending(index: int) -> dict[str, Any]:
    found = node(index, "Pending")
    found["status"] = {"phase": "Pending", "conditions": [UNSCHEDULED]}
    return found


@pytest.mark.parametrize(
    ("phases", "running"),
    [
        pytest.param(["Running"] * 3, True, id="all"),
        pytest.param(["Running", "Succeeded", "Running"], True, id="one is done, the first not"),
        pytest.param(["Succeeded", "Running", "Running"], False, id="the first is done"),
        pytest.param(["Running"] * 2, False, id="one is not made yet"),
        pytest.param(["Running", "Running", "Failed"], False, id="one is lost"),
    ],
)
def test_they_work_when_all_of_them_do(phases: list[str], running: bool) -> None:
    found = view(*(node(index, phase) for index, phase in enumerate(phases)))
    assert found.running is running
    assert found.waiting == ""


def test_what_any_pod_waits_for_is_told() -> None:
    found = view(node(0, "Running"), node(1, "Running"), pending(2))
    assert not found.running
    assert found.waiting == "Unschedulable: no GPU"


def test_a_pod_that_was_replaced_counts_no_more() -> None:
    again = [node(index, "Running", T1) for index in range(3)]
    assert view(*again, failed(1, "", 134)).running


CAUSES = [
    pytest.param(
        [failed(0, LOST, 1, T0), failed(1, encode(BAD), 3, T2), failed(2, LOST, 1, T1)],
        BAD,
        3,
        id="who ended for good goes before who was first",
    ),
    pytest.param(
        [failed(0, "", 134, T0), failed(1, encode(FAILURE), 5, T1), failed(2, "", 134, T2)],
        FAILURE,
        5,
        id="who can say why goes before who cannot",
    ),
    pytest.param(
        [failed(0, LOST, 1, T2), failed(1, encode(FAILURE), 5, T1), failed(2, LOST, 1, T2)],
        FAILURE,
        5,
        id="who was first goes before who was taken down",
    ),
    pytest.param(
        [failed(0, encode(ALONE), 6, T0), failed(1, "", 139, T1), failed(2, encode(ALONE), 6, T0)],
        None,
        139,
        id="who was lost goes before who misses it",
    ),
    pytest.param(
        [failed(0, encode(ALONE), 6, T0), failed(1, encode(ALONE), 6, T1)],
        ALONE,
        6,
        id="nobody came",
    ),
    pytest.param(
        [failed(0, "", 139, T1), node(1, "Succeeded", **terminated("", 0, T0, "Completed"))],
        None,
        139,
        id="who ended well is no cause",
    ),
]


@pytest.mark.parametrize(("pods", "message", "code"), CAUSES)
def test_the_first_cause_is_told(
    pods: list[dict[str, Any]], message: Message | None, code: int
) -> None:
    for found in (view(*pods), view(*pods, condition=TOO_MANY)):
        assert (found.message, found.exit_code) == (message, code)


def test_memory_that_any_pod_ran_out_of_goes_before_what_others_say() -> None:
    killed = failed(2, "", 137, T0, reason="OOMKilled")
    found = view(failed(0, LOST, 1, T1), failed(1, LOST, 1, T2), killed)
    assert found.oom_killed
    assert found.exit_code == 137


def test_an_index_that_is_no_number_is_that_of_a_plain_pod() -> None:
    odd = node(0, "Running")
    odd["metadata"]["annotations"] = {"batch.kubernetes.io/job-completion-index": "first"}
    assert job_view(job(), [odd]).running
