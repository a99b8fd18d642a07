"""Several pods that train one model: an Indexed Job, the Service between them, and their ends."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.operator.builders import (
    MODEL_UID,
    RUN,
    RUN_UID,
    job_view,
    observed_run,
    run_meta,
    spec_with,
    train_result,
)
from tests.operator.run_builders import ACTIVE, judged, named, said, training

from mt_contract.names import Stage, job_name
from mt_contract.report import Failure
from mt_operator.core.children.pod import Task, job
from mt_operator.core.children.train_job import train_task
from mt_operator.core.observed import JobState, Meta, ObservedRun
from mt_operator.core.plan import Child, Mode, Ref
from mt_operator.core.run.decide import decide_run
from mt_operator.core.run.inputs import work_of

JOB = job_name(RUN, RUN_UID, Stage.TRAIN, 1)
SERVICE = f"nodes-{JOB}"
THREE = spec_with(training={"nodes": 3, "backoffLimit": 2, "queueName": "mt"})
FOUND = {SERVICE: Meta(SERVICE, "team-a", "uid-of-service", owner=RUN_UID)}


def task(**training_: Any) -> Task:
    observed = observed_run(spec_with(training=training_))
    status = decide_run(observed).status or {}
    return train_task(replace(observed, status=status), work_of(status))


def manifest(**training_: Any) -> dict[str, Any]:
    return dict(job(task(**training_)).manifest)


def only(observed: ObservedRun) -> Child:
    (child,) = decide_run(observed).apply
    return child


def env(spec: dict[str, Any]) -> dict[str, str]:
    (container,) = spec["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_one_node_is_the_job_that_it_always_was() -> None:
    spec = manifest()["spec"]
    assert set(spec) == {"backoffLimit", "podReplacementPolicy", "podFailurePolicy", "template"}
    assert "subdomain" not in spec["template"]["spec"]
    assert not {"MT_NODES", "MT_COORDINATOR"} & set(env(spec))
    assert json.dumps(spec) == json.dumps(manifest(nodes=1)["spec"])


def test_several_nodes_are_an_indexed_job_whose_first_pod_decides() -> None:
    spec = manifest(nodes=3)["spec"]
    assert spec["completionMode"] == "Indexed"
    assert (spec["completions"], spec["parallelism"]) == (3, 3)
    assert spec["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    assert spec["podReplacementPolicy"] == "Failed"
    assert [rule["action"] for rule in spec["podFailurePolicy"]["rules"]] == ["FailJob", "Ignore"]


@pytest.mark.parametrize("limit", [0, 3])
def test_a_round_of_failures_counts_once_whatever_the_number_of_pods(limit: int) -> None:
    spec = manifest(nodes=8, backoffLimit=limit)["spec"]
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (limit, 0)
    assert "backoffLimit" not in spec


def test_the_pods_are_told_where_the_first_of_them_is() -> None:
    spec = manifest(nodes=3)["spec"]
    assert spec["template"]["spec"]["subdomain"] == SERVICE
    assert env(spec)["MT_NODES"] == "3"
    assert env(spec)["MT_COORDINATOR"] == f"{JOB}-0.{SERVICE}.team-a.svc:8476"


def test_with_a_queue_all_of_them_wait_to_be_admitted_together() -> None:
    found = manifest(nodes=3, queueName="mt")
    assert found["spec"]["suspend"] is True
    assert found["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "mt"


def test_names_of_pods_and_service_fit_the_longest_run() -> None:
    observed = observed_run(spec_with(training={"nodes": 64}), meta=run_meta(name="7" * 63))
    status = decide_run(observed).status or {}
    longest = train_task(replace(observed, status=status), work_of(status))
    assert len(f"{longest.name}-63") <= 63  # the host name of the last pod
    assert longest.service is not None
    assert len(longest.service) <= 63
    assert longest.service[0].isalpha()  # a run's name may begin with a digit, a Service's not


def test_the_service_comes_first_and_is_the_runs_own() -> None:
    child = only(training(spec=THREE))
    spec, metadata = child.manifest["spec"], child.manifest["metadata"]
    assert (child.key, child.mode) == (("Service", SERVICE), Mode.CREATE)
    assert metadata["ownerReferences"][0]["uid"] == RUN_UID
    assert metadata["labels"]["translation.kubeflow.org/run"] == RUN
    assert spec["clusterIP"] == "None"
    assert spec["selector"] == {"batch.kubernetes.io/job-name": JOB}
    assert spec["publishNotReadyAddresses"] is True
    assert [port["port"] for port in spec["ports"]] == [8476]


def test_the_job_comes_once_the_service_is_there() -> None:
    assert only(training(spec=THREE, services=FOUND)).key == named(Stage.TRAIN)


def test_a_service_that_somebody_deletes_is_made_again_under_a_running_job() -> None:
    at_work = training(job_view(Stage.TRAIN, ACTIVE, running=True), spec=THREE)
    assert only(at_work).key == ("Service", SERVICE)
    assert decide_run(replace(at_work, services=FOUND)).apply == ()


def test_one_node_needs_no_service() -> None:
    assert only(training()).key == named(Stage.TRAIN)


def test_the_first_pod_tells_what_all_of_them_used() -> None:
    view = job_view(Stage.TRAIN, JobState.COMPLETE, message=train_result())
    status = decide_run(training(view, spec=THREE)).status or {}
    assert status["usage"] == {"cpuSeconds": 2100, "gpuSeconds": 0}


def test_the_service_goes_with_the_end_of_the_run() -> None:
    over = replace(judged(), status=decide_run(judged()).status or {})
    theirs = {"other": Meta("other", "team-a", "uid-of-other", owner=MODEL_UID)}
    going = {"going": Meta("going", "team-a", "uid-of-going", owner=RUN_UID, deleting=True)}
    plan = decide_run(replace(over, services=FOUND | theirs | going))
    assert plan.delete == (Ref("v1", "Service", SERVICE, "uid-of-service"),)


FAILURES = [
    pytest.param(
        {"failure": "MaxFailedIndexesExceeded: Job has exceeded …", "exit_code": 134},
        "BackoffLimitExceeded: A pod of Job",
        id="a pod failed too often",
    ),
    pytest.param(
        {"failure": "MaxFailedIndexesExceeded: …", "message": Failure("StorageUnavailable", "no")},
        "StorageUnavailable: no",
        id="a pod failed too often, with a word",
    ),
]


@pytest.mark.parametrize(("changes", "words"), FAILURES)
def test_failures_are_counted_by_pod(changes: dict[str, Any], words: str) -> None:
    view = job_view(Stage.TRAIN, JobState.FAILED, **changes)
    observed = training(view, spec=THREE, services=FOUND)
    assert said(observed, "Failed").startswith(f"True {words}")
