"""Kubernetes objects become the plain values that decisions read."""

from __future__ import annotations

from typing import Any

import pytest

from mt_contract.report import Failure, TrainResult, encode
from mt_operator.core.observed import JobState
from mt_operator.shell.views import job_view, route_view, service_view, waiting_of

T0, T1, T2 = (f"2026-11-21T10:0{minute}:00Z" for minute in range(3))
RESULT = TrainResult({"digest": "sha256:1"}, {"pairs": 5})
FAILURE = Failure("StorageUnavailable", "the volume is full")


def made(name: str, created: str = T0, **fields: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "n", "uid": f"uid-{name}", "creationTimestamp": created}
    return {"metadata": meta | fields.pop("metadata", {}), **fields}


def job(*conditions: dict[str, str], **spec: Any) -> dict[str, Any]:
    return made("j", spec=spec, status={"startTime": T0, "conditions": list(conditions)})


def ended(kind: str, reason: str = "", message: str = "") -> dict[str, str]:
    common = {"status": "True", "lastTransitionTime": T2}
    return {"type": kind, "reason": reason, "message": message, **common}


def pod(name: str, phase: str, created: str = T0, **state: Any) -> dict[str, Any]:
    container = {"name": "c", **state}
    return made(name, created, status={"phase": phase, "containerStatuses": [container]})


def terminated(message: str, code: int, at: str, reason: str = "Error") -> dict[str, Any]:
    end = {"exitCode": code, "message": message, "finishedAt": at, "reason": reason}
    return {"state": {"terminated": end}}


@pytest.mark.parametrize(
    ("found", "state", "failure"),
    [
        pytest.param(made("j"), JobState.ACTIVE, "", id="just made"),
        pytest.param(job(suspend=True), JobState.SUSPENDED, "", id="suspended"),
        pytest.param(job(ended("SuccessCriteriaMet")), JobState.ACTIVE, "", id="about to end"),
        pytest.param(job(ended("Complete")), JobState.COMPLETE, "", id="complete"),
        pytest.param(
            job(ended("Failed", "DeadlineExceeded", "too long")),
            JobState.FAILED,
            "DeadlineExceeded: too long",
            id="failed",
        ),
    ],
)
def test_job_is(found: dict[str, Any], state: JobState, failure: str) -> None:
    view = job_view(found, [])
    assert (view.state, view.failure) == (state, failure)


def test_message_of_the_container_that_ended_last_counts() -> None:
    pods = [
        pod("b", "Failed", T1, **terminated(encode(FAILURE), 5, T2)),
        pod("a", "Failed", T0, **terminated("garbage", 1, T1)),
    ]
    view = job_view(job(), pods)
    assert view.message == FAILURE
    assert view.exit_code == 5


def test_a_sidecar_that_ends_after_the_program_tells_nothing() -> None:
    told = {"name": "main", **terminated(encode(RESULT), 0, T1, "Completed")}
    sidecar = {"name": "metrics-logger-and-collector", **terminated("", 0, T2, "Completed")}
    status = {"phase": "Succeeded", "containerStatuses": [told, sidecar]}
    assert job_view(job(ended("Complete")), [made("a", status=status)]).message == RESULT


def test_complete_job_is_told_by_its_pod_that_succeeded() -> None:
    pods = [
        pod("a", "Succeeded", T0, **terminated(encode(RESULT), 0, T1, "Completed")),
        pod("b", "Failed", T1, **terminated(encode(FAILURE), 5, T2)),
    ]
    assert job_view(job(ended("Complete")), pods).message == RESULT


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("", id="nothing"),
        pytest.param('{"kind": "TrainResult"', id="cut off"),
        pytest.param('{"kind": "Other"}', id="of another kind"),
        pytest.param("[" * 4000, id="nested without end"),
    ],
)
def test_message_that_cannot_be_read_is_none(message: str) -> None:
    pods = [pod("a", "Succeeded", T0, **terminated(message, 0, T1))]
    assert job_view(job(ended("Complete")), pods).message is None


def test_container_killed_at_its_memory_limit() -> None:
    view = job_view(job(), [pod("a", "Failed", T0, **terminated("", 137, T1, "OOMKilled"))])
    assert view.oom_killed
    assert view.exit_code == 137


def test_running_and_progress() -> None:
    view = job_view(job(), [pod("a", "Running")], {"step": 3})
    assert view.running
    assert view.progress == {"step": 3}


def unscheduled(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return made("p", status={"phase": "Pending", "conditions": [condition | {"message": message}]})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(unscheduled("no GPU"), "Unschedulable: no GPU", id="no node fits"),
        pytest.param(
            pod("p", "Pending", state={"waiting": {"reason": "ErrImagePull", "message": "gone"}}),
            "ErrImagePull: gone",
            id="image cannot be pulled",
        ),
        pytest.param(
            pod("p", "Pending", state={"waiting": {"reason": "ContainerCreating"}}),
            "",
            id="on its way",
        ),
        pytest.param(
            pod(
                "p",
                "Running",
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState=terminated(encode(FAILURE), 5, T1)["state"],
            ),
            "StorageUnavailable: the volume is full",
            id="crashed, and said why",
        ),
        pytest.param(
            pod(
                "p",
                "Running",
                state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                lastState=terminated("", 1, T1)["state"],
            ),
            "CrashLoopBackOff: back-off",
            id="crashed without a word",
        ),
        pytest.param(
            pod("p", "Running", state={"running": {}}, lastState=terminated("", 139, T1)["state"]),
            "Crashed: exit code 139, Error",
            id="runs again after a crash",
        ),
        pytest.param(
            made("p", status={"phase": "Failed", "reason": "Evicted", "message": "low memory"}),
            "Evicted: low memory",
            id="evicted",
        ),
        pytest.param(pod("p", "Running", state={"running": {}}), "", id="runs"),
        pytest.param(made("p"), "", id="without a status"),
    ],
)
def test_why_a_pod_waits(found: dict[str, Any], words: str) -> None:
    assert waiting_of(found) == words


def service(**ready: str) -> dict[str, Any]:
    conditions = [{"type": "PredictorReady", "status": "True"}, {"type": "Ready", **ready}]
    return made("s", spec={"predictor": {"minReplicas": 1}}, status={"conditions": conditions})


def replica(name: str, ready: str, **fields: Any) -> dict[str, Any]:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
    return made(name, status=status, **fields)


def test_ready_service_counts_its_ready_pods() -> None:
    going = replica("c", "True", metadata={"deletionTimestamp": T1})
    pods = [replica("a", "True"), replica("b", "False"), going]
    view = service_view(service(status="True"), pods)
    assert view.ready
    assert view.ready_replicas == 1
    assert view.predictor == {"minReplicas": 1}


def test_service_that_is_not_ready_says_why() -> None:
    view = service_view(
        service(status="False", reason="Progressing", message="waiting"), [unscheduled("no CPU")]
    )
    assert not view.ready
    assert (view.reason, view.message) == ("Progressing", "waiting")
    assert view.waiting == "Unschedulable: no CPU"


def test_service_without_a_status_is_not_ready() -> None:
    assert not service_view(made("s"), []).ready


PARENT = {"name": "gateway", "namespace": "gateways"}


def accepted(generation: int = 3, **changed: str) -> list[dict[str, Any]]:
    return [
        {"type": kind, "status": changed.get(kind, "True"), "observedGeneration": generation}
        | {"reason": "Because", "message": "of that"}
        for kind in ("Accepted", "ResolvedRefs")
    ]


def route(*parents: dict[str, Any], **spec: Any) -> dict[str, Any]:
    backends = [{"name": "old", "weight": 90}, {"name": "new", "weight": 10}]
    fields = {"parentRefs": [PARENT], "rules": [{"backendRefs": backends}]} | spec
    return made("r", metadata={"generation": 3}, spec=fields, status={"parents": list(parents)})


@pytest.mark.parametrize(
    ("found", "in_force", "message"),
    [
        pytest.param(route({"parentRef": PARENT, "conditions": accepted()}), True, "", id="is"),
        pytest.param(route(), False, "has not answered", id="no answer"),
        pytest.param(
            route({"parentRef": {"name": "other"}, "conditions": accepted()}),
            False,
            "has not answered",
            id="another gateway's answer",
        ),
        pytest.param(
            route({"parentRef": PARENT, "conditions": accepted(2)}),
            False,
            "has not seen generation 3",
            id="an older generation's",
        ),
        pytest.param(
            route({"parentRef": PARENT, "conditions": accepted(ResolvedRefs="False")}),
            False,
            "Because: of that",
            id="a backend is missing",
        ),
        pytest.param(
            route({"parentRef": PARENT, "conditions": accepted()[:1]}),
            False,
            "has not seen",
            id="half an answer",
        ),
        pytest.param(
            route(
                {"parentRef": PARENT, "conditions": accepted()},
                parentRefs=[PARENT, {"name": "second"}],
            ),
            False,
            "n/second has not answered",
            id="one of two gateways",
        ),
        pytest.param(made("r"), False, "has not answered", id="empty"),
    ],
)
def test_route_in_force(found: dict[str, Any], in_force: bool, message: str) -> None:
    view = route_view(found)
    assert view.in_force is in_force
    assert message in view.message


def test_weights_and_when_the_gateway_last_answered() -> None:
    found = route({"parentRef": PARENT, "conditions": accepted()})
    found["metadata"]["managedFields"] = [
        {"manager": "gateway", "subresource": "status", "time": T1},
        {"manager": "mt-operator", "time": T2},
    ]
    view = route_view(found)
    assert view.weights == {"old": 90, "new": 10}
    assert view.since is not None
    assert view.since.minute == 1
