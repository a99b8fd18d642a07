"""batch: the Job that is made, what is refused before it, and what --wait tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.cli.builders import PRODUCTION, model
from tests.cli.fake import FakeCluster, cli, refusal

from mt_cli.errors import Code
from mt_contract import report
from mt_contract.report import Failure
from mt_predictor.__main__ import parser

Tree = dict[str, Any]
JOBS = "/apis/batch/v1/namespaces/team-a/jobs"
PODS = "/api/v1/namespaces/team-a/pods"
INTO = "--out pvc://texts/en.txt"
LINE = f"batch pt-en --input pvc://texts/pt.txt {INTO}"
ARTIFACT = {"uri": "pvc://models/pt-en/pt-en-7h2xk-5b1d3c9e/model", "digest": "sha256:4c1f"}
ENGINE = {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4, "image": "predictor:1"}
SERVING = {
    "serviceAccountName": "translator",
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "a"}],
}
SERVED = PRODUCTION | {"artifact": ARTIFACT, "engine": ENGINE, "serving": SERVING}


def cluster_of(found: Tree | None = None) -> FakeCluster:
    """Return a cluster that keeps the Jobs that are posted."""
    cluster = FakeCluster()
    cluster.add("translationmodels", found or model(production=SERVED))
    cluster.kinds |= {"jobs", "pods"}

    def create(request: httpx.Request) -> httpx.Response | None:
        if request.method != "POST" or not request.url.path.endswith("/jobs"):
            return None
        job = json.loads(request.content)
        path = f"{request.url.path}/{job['metadata']['name']}"
        if path in cluster.objects:
            return refusal(409, "already exists")
        job["metadata"]["creationTimestamp"] = cluster.now.isoformat()
        cluster.put(path, job)
        return httpx.Response(201, json=job)

    cluster.answers.append(create)
    return cluster


def jobs_of(cluster: FakeCluster) -> list[Tree]:
    return [found for path, found in cluster.objects.items() if path.startswith(f"{JOBS}/")]


def job_of(line: str, found: Tree | None = None) -> Tree:
    """Return the Job that a command line makes."""
    cluster = cluster_of(found)
    result = cli(cluster, line)
    assert result.code == Code.DONE, result.err
    [job] = jobs_of(cluster)
    return job


def container(job: Tree) -> Tree:
    [found] = job["spec"]["template"]["spec"]["containers"]
    return dict(found)


def env(job: Tree) -> Tree:
    return {entry["name"]: entry.get("value") for entry in container(job)["env"]}


def test_the_job_translates_with_what_is_in_production() -> None:
    job = job_of(LINE)
    main = container(job)
    assert main["image"] == "predictor:1"
    assert main["args"] == [
        "batch",
        f"--model={ARTIFACT['uri']}",
        "--out=pvc://texts/en.txt",
        "pvc://texts/pt.txt",
    ]
    assert env(job)["MT_ARTIFACT_DIGEST"] == "sha256:4c1f"
    assert json.loads(env(job)["MT_ENGINE"]) == {key: ENGINE[key] for key in list(ENGINE)[:3]}
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "translator"
    assert (pod["nodeSelector"], pod["tolerations"]) == ({"disk": "fast"}, [{"key": "a"}])


def test_the_program_understands_what_the_job_tells_it() -> None:
    line = f"{LINE} --input s3://b/c --format TSV --field pt --fresh"
    found = parser().parse_args(container(job_of(line))["args"])
    assert (found.command, found.model, found.out) == (
        "batch",
        ARTIFACT["uri"],
        "pvc://texts/en.txt",
    )
    assert found.inputs == ["pvc://texts/pt.txt", "s3://b/c"]
    assert (found.format, found.field) == ("TSV", "pt")
    assert found.fresh.startswith("pt-en-batch-")


def test_the_job_is_its_makers_own() -> None:
    metadata = job_of(LINE)["metadata"]
    assert "ownerReferences" not in metadata
    labels = metadata["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "kubectl-translation"
    assert labels["translation.kubeflow.org/stage"] == "batch"
    assert labels["translation.kubeflow.org/model"] == "pt-en"
    assert labels["translation.kubeflow.org/revision"] == "r-4c1f90ab"
    assert labels["translation.kubeflow.org/run"] == "pt-en-7h2xk"  # `logs RUN --stage batch`
    assert job_of(LINE)["spec"]["template"]["metadata"]["labels"].items() >= labels.items()


def test_the_pod_passes_pod_security_restricted() -> None:
    job = job_of(LINE)
    pod = job["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container(job)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_only_what_would_end_the_same_way_is_not_tried_again() -> None:
    spec = job_of(LINE)["spec"]
    codes, disrupted = spec["podFailurePolicy"]["rules"]
    assert codes["action"] == "FailJob"
    assert codes["onExitCodes"]["values"] == [2, 3, 4]  # not 143 or 5: these go on
    assert disrupted["action"] == "Ignore"
    assert spec["backoffLimit"] == 6
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 120


@pytest.mark.parametrize(
    ("line", "mounts"),
    [
        pytest.param(LINE, {"texts": True, "models": False}, id="one claim for texts"),
        pytest.param(
            f"batch pt-en --input pvc://in/a --input pvc://in/b --input s3://b/c {INTO}/",
            {"texts": True, "models": False, "in": False},
            id="several inputs",
        ),
        pytest.param(
            "batch pt-en --input https://h/a --out pvc://models/out.txt",
            {"models": True},
            id="beside the model",
        ),
    ],
)
def test_claims_are_mounted_and_only_the_outputs_is_writable(
    line: str, mounts: dict[str, bool]
) -> None:
    job = job_of(line)
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in job["spec"]["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    found = {claims[m["name"]]: m for m in container(job)["volumeMounts"] if m["name"] in claims}
    assert {claim: not m.get("readOnly", False) for claim, m in found.items()} == mounts
    assert all(m["mountPath"] == f"/mnt/pvc/{claim}" for claim, m in found.items())


ENV = [{"name": "AWS_REGION", "value": "eu"}]
FROM = [{"secretRef": {"name": "bucket"}}]


@pytest.mark.parametrize(
    ("line", "found", "expected"),
    [
        pytest.param(
            f"{LINE} --format TSV --field pt", {}, {"args": ["--format=TSV", "--field=pt"]},
            id="format and field",
        ),
        pytest.param(
            f"{LINE} --cpu 4 --memory 8Gi", {},
            {"resources": {"requests": {"cpu": "4", "memory": "8Gi"},
                           "limits": {"cpu": "4", "memory": "8Gi"}}},
            id="as much as is asked for",
        ),
        pytest.param(
            LINE, {},
            {"resources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "4Gi"}}},
            id="whatever cores are left",
        ),
        pytest.param(
            LINE, {"spec": {"training": {"env": ENV, "envFrom": FROM}}},
            {"env": ENV, "envFrom": FROM},
            id="credentials",
        ),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_in_the_pod(line: str, found: Tree, expected: Tree) -> None:
    main = container(job_of(line, model(production=SERVED, **found)))
    for key, value in expected.items():
        if isinstance(value, list):
            assert [entry for entry in main[key] if entry in value] == value
        else:
            assert main[key] == value


@pytest.mark.parametrize(
    ("serving", "spec", "account"),
    [
        pytest.param(SERVING, {}, "translator", id="as what serves"),
        pytest.param({}, {"serviceAccountName": "own"}, "own", id="as the spec says"),
        pytest.param({}, {}, "default", id="nobody says"),
    ],
)
def test_its_service_account(serving: Tree, spec: Tree, account: str) -> None:
    found = model(production=SERVED | {"serving": serving}, spec=spec)
    assert job_of(LINE, found)["spec"]["template"]["spec"]["serviceAccountName"] == account


def test_anew_is_for_one_job_and_not_for_each_of_its_pods() -> None:
    job = job_of(f"{LINE} --fresh")
    assert f"--fresh-for={job['metadata']['name']}" in container(job)["args"]


@pytest.mark.parametrize(
    ("line", "found", "code", "message"),
    [
        pytest.param(
            LINE, model(production=None), Code.NOT_NOW,
            "pt-en has no revision in production, so there is nothing to translate with: "
            "`kubectl translation status pt-en` shows how far it is.",
            id="nothing in production",
        ),
        pytest.param(
            LINE.replace("pt-en", "nope"), None, Code.NOT_FOUND, "no TranslationModel nope",
            id="no such model",
        ),
        pytest.param(
            f"batch pt-en --input ./a.txt {INTO}", None, Code.USAGE,
            "./a.txt is a file of this machine", id="a path",
        ),
        pytest.param(
            f"batch pt-en --input file:///a.txt {INTO}", None, Code.USAGE,
            "is a file of this machine", id="a file URI",
        ),
        pytest.param(
            "batch pt-en --input pvc://a/b --out s3://b/c", None, Code.USAGE,
            "--out s3://b/c cannot be written: name pvc://<claim>/<path>", id="to a bucket",
        ),
        pytest.param(
            "batch pt-en --input pvc://a/../b --out pvc://b/c", None, Code.USAGE,
            "without '..'", id="out of a claim",
        ),
        pytest.param(f"batch pt-en {INTO}", None, Code.USAGE, "--input", id="no input"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_makes_no_job(
    line: str, found: Tree | None, code: Code, message: str
) -> None:
    cluster = cluster_of(found)
    result = cli(cluster, line)
    assert result.code == code
    assert message in result.err
    assert jobs_of(cluster) == []


def end(job: Tree, kind: str, message: str = "") -> None:
    job["status"] = {"conditions": [{"type": kind, "status": "True", "message": message}]}


def test_one_job_at_a_time_writes_to_a_place() -> None:
    cluster = cluster_of()
    assert cli(cluster, LINE).code == Code.DONE
    [first] = jobs_of(cluster)
    again = cli(cluster, LINE)
    assert again.code == Code.NOT_NOW
    assert f"job {first['metadata']['name']} writes pvc://texts/en.txt just now" in again.err
    assert cli(cluster, LINE.replace("en.txt", "other.txt")).code == Code.DONE
    end(first, "Failed")
    assert cli(cluster, LINE).code == Code.DONE
    assert len({job["metadata"]["name"] for job in jobs_of(cluster)}) == 3


def test_two_who_ask_at_once_get_one_job() -> None:
    cluster = cluster_of()
    name = job_of(LINE)["metadata"]["name"]
    cluster.put(f"{JOBS}/{name}", {"metadata": {"name": name, "namespace": "team-a"}})
    result = cli(cluster, LINE)
    assert result.code == Code.NOT_NOW
    assert f"job {name} writes pvc://texts/en.txt just now" in result.err


STARTED = """\
job:              pt-en-batch-{name}
translates with:  r-4c1f90ab
output:           pvc://texts/en.txt
follow it:        kubectl logs -n team-a --follow job/pt-en-batch-{name}
wait for it:      kubectl wait -n team-a --for=condition=Complete job/pt-en-batch-{name}

A Job that fails is begun again by the same command, and goes on where it stopped.
"""


def test_it_says_how_to_follow_the_job() -> None:
    cluster = cluster_of()
    result = cli(cluster, LINE)
    [job] = jobs_of(cluster)
    name = job["metadata"]["name"].removeprefix("pt-en-batch-")
    assert result.out == STARTED.format(name=name)


def test_a_program_is_told_the_same() -> None:
    told = cli(cluster_of(), f"{LINE} -o json").tree
    assert told["output"] == "pvc://texts/en.txt"
    assert told["job"].startswith("pt-en-batch-")


SUMMARY = {"output": "/mnt/pvc/texts/en.txt", "lines": 9, "empty": 1, "failed": 0, "seconds": 3.5}


def pod(cluster: FakeCluster, phase: str, *lines: str, message: str = "") -> None:
    """Let the Job have a pod that says these lines."""
    [job] = jobs_of(cluster)
    labels = {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    metadata = {"name": "pod", "namespace": "team-a", "labels": labels}
    ended = [{"state": {"terminated": {"message": message}}}] if message else []
    status = {"phase": phase, "containerStatuses": ended}
    cluster.kinds.add("pods")
    cluster.put(f"{PODS}/pod", {"metadata": metadata, "status": status})
    cluster.logs[f"{PODS}/pod/log"] = list(lines)


def done(cluster: FakeCluster) -> None:
    pod(cluster, "Succeeded", "pt.txt: 9 of 9 lines", json.dumps(SUMMARY))
    end(jobs_of(cluster)[0], "Complete")


def test_waiting_shows_how_far_it_is_and_what_became_of_it() -> None:
    cluster = cluster_of()
    cluster.ticks = [
        lambda c: pod(c, "Pending"),
        lambda c: pod(c, "Running", "pt.txt: 3 of 9 lines"),
        lambda c: None,
        done,
    ]
    result = cli(cluster, f"{LINE} --wait")
    assert result.code == Code.DONE, result.err
    lines = result.out.splitlines()
    assert lines[0].endswith("translates with r-4c1f90ab")
    assert lines[1].endswith("3 of 9 lines")
    assert [line.split() for line in lines[2:]] == [
        ["OUTPUT", "LINES", "EMPTY", "FAILED", "SECONDS"],
        ["/mnt/pvc/texts/en.txt", "9", "1", "0", "3.5"],
    ]


def test_waiting_for_programs() -> None:
    cluster = cluster_of()
    cluster.ticks = [done]
    assert cli(cluster, f"{LINE} --wait -o json").tree["summaries"] == [SUMMARY]


def failing(message: str) -> Callable[[FakeCluster], None]:
    def fail(cluster: FakeCluster) -> None:
        pod(cluster, "Failed", "x", message=message)
        end(jobs_of(cluster)[0], "Failed", "Pod failed")

    return fail


@pytest.mark.parametrize(
    ("ticks", "words", "code", "message"),
    [
        pytest.param(
            [failing(report.encode(Failure("DataInvalid", "pt.txt is empty")))], "", Code.ERROR,
            "failed: DataInvalid: pt.txt is empty", id="its last words",
        ),
        pytest.param([failing("?")], "", Code.ERROR, "failed: Pod failed.", id="no words"),
        pytest.param(
            [lambda c: None] * 3, "--timeout 6", Code.TIMEOUT, "is not over within 6 s. It goes on",
            id="too slow",
        ),
    ],
)  # fmt: skip
def test_waiting_in_vain(ticks: list[Any], words: str, code: Code, message: str) -> None:
    cluster = cluster_of()
    cluster.ticks = list(ticks)
    result = cli(cluster, f"{LINE} --wait {words}")
    assert result.code == code
    assert message in result.err


def test_a_terminal_shows_one_line_over_the_other() -> None:
    cluster = cluster_of()
    cluster.ticks = [lambda c: pod(c, "Running", "pt.txt: 3 of 9 lines"), done]
    result = cli(cluster, f"{LINE} --wait", terminal=True)
    assert result.code == Code.DONE, result.err
    assert "/mnt/pvc/texts/en.txt" in result.out
