"""batch against a real API server: its Job is admitted, also where Pod Security is restricted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.cli.builders import PRODUCTION, READY
from tests.cli.installed import MODELS, Installed
from tests.cli.test_batch import ARTIFACT, ENGINE
from tests.cli.test_real_cluster import Cli, put
from tests.crds.cases import MINIMAL_MODEL

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]
Tree = dict[str, Any]
JOBS = "/apis/batch/v1/namespaces/team-a/jobs"
NAME = "pt-en-bulk"
WORDS = ("batch", NAME, "--input", "pvc://texts/pt.txt", "--out", "pvc://texts/en.txt")
STATUS = {
    "observedGeneration": 1,
    "pair": "pt-en",
    "production": PRODUCTION | {"artifact": ARTIFACT, "engine": ENGINE},
    "conditions": [READY | {"observedGeneration": 1}],
}


@pytest.fixture
def cli(installed: Installed) -> Iterator[Cli]:
    """Yield the command, in a namespace with a model in production that warns of pods."""
    put(installed, MODELS, MINIMAL_MODEL | {"metadata": {"name": NAME}}, STATUS)
    warn = {"pod-security.kubernetes.io/warn": "restricted"}
    installed.send("PATCH", "/api/v1/namespaces/team-a", {"metadata": {"labels": warn}})
    yield Cli(installed.kubeconfig)
    for job in installed.send("GET", JOBS).json()["items"]:
        installed.send("DELETE", f"{JOBS}/{job['metadata']['name']}")
    installed.send("DELETE", f"{MODELS}/{NAME}")


def created_again(installed: Installed, job: Tree, **security: Any) -> httpx.Response:
    """Try to create a Job like ``job``, with another security context of its container."""
    spec = job["spec"] | {
        "selector": None,
        "template": json.loads(json.dumps(job["spec"]["template"])),
    }
    template = spec["template"]
    template["metadata"]["labels"] = {}
    template["spec"]["containers"][0]["securityContext"] |= security
    body = {"metadata": {"name": "again"}, "spec": spec}
    answer = installed.send("POST", JOBS, body, dryRun="All")
    assert answer.is_success, answer.text
    return answer


def test_the_job_is_admitted_and_is_restricted(cli: Cli, installed: Installed) -> None:
    told = json.loads(cli(*WORDS, "-o", "json"))
    job = installed.send("GET", f"{JOBS}/{told['job']}").json()
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][0] == "batch"
    assert "warning" not in created_again(installed, job).headers
    loose = created_again(installed, job, allowPrivilegeEscalation=True)
    assert "allowPrivilegeEscalation" in loose.headers["warning"]
    assert f"job {told['job']} writes pvc://texts/en.txt just now" in cli(*WORDS, code=4)


def test_whoever_may_make_no_jobs_is_told_so(cli: Cli) -> None:
    assert "jobs.batch is forbidden" in cli(*WORDS, "--as", "writer", code=6)
