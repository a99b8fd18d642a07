"""The real command, as a subprocess, against a real API server with our definitions and policy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.builders import ANALYSIS, CANDIDATE, PRODUCTION, READY, REJECTED, condition
from tests.cli.installed import MODELS, Installed
from tests.crds.apiserver import ROOT
from tests.crds.cases import ALONE, MINIMAL_MODEL

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]
Tree = dict[str, Any]
RUNS = MODELS.replace("translationmodels", "trainingruns")
PATHS = [str(ROOT / part) for part in ("crds", "operator", "cli")]
ENVIRONMENT = os.environ | {"PYTHONPATH": ":".join(PATHS), "PYTHONDONTWRITEBYTECODE": "1"}
NAME, RUN = "pt-en", "pt-en-b81qz"
STATUS = {
    "observedGeneration": 1,
    "pair": "pt-en",
    "production": PRODUCTION,
    "candidate": CANDIDATE | {"analysis": ANALYSIS},
    "rejected": [REJECTED | {"run": "pt-en-x", "revision": "r-00000000"}],
    "conditions": [READY | {"observedGeneration": 1}],
}
GATE = {"name": "quality", "metric": "chrF", "rule": "min 40", "value": "48.9", "verdict": "Passed"}
OF_RUN = {
    "cause": "Spec",
    "evaluation": {"scores": {"chrF": "48.9"}, "gates": [GATE], "verdict": "Passed"},
    "conditions": [condition("Succeeded", "True", "Completed", "The run is over.")],
}


class Cli:
    """The command, as the administrator in team-a."""

    def __init__(self, kubeconfig: Path) -> None:
        self.options = ["--kubeconfig", str(kubeconfig), "-n", "team-a"]

    def arguments(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "mt_cli", words[0], *self.options, *words[1:]]

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run it, and return what it printed; to standard error where it failed."""
        done = subprocess.run(
            self.arguments(*words), env=ENVIRONMENT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stderr if code not in (0, 5) else done.stdout


def put(installed: Installed, path: str, document: Tree, status: Tree) -> None:
    """Create an object and give it a status."""
    answer = installed.send("POST", path, document)
    assert answer.is_success, answer.text
    write_status(installed, f"{path}/{document['metadata']['name']}", status)


def write_status(installed: Installed, path: str, status: Tree) -> None:
    answer = installed.send("PATCH", f"{path}/status", {"status": status})
    assert answer.is_success, answer.text


@pytest.fixture(scope="module")
def cli(installed: Installed) -> Iterator[Cli]:
    """Yield the command, in a namespace with a model in canary and two runs."""
    put(installed, MODELS, MINIMAL_MODEL | {"metadata": {"name": NAME}}, STATUS)
    for name in (RUN, "pt-en-a"):
        spec = {"modelRef": {"name": NAME}, "candidate": True}
        meta = {"name": name, "labels": {"translation.kubeflow.org/model": NAME}}
        put(installed, RUNS, ALONE | {"metadata": meta, "spec": spec}, OF_RUN)
    yield Cli(installed.kubeconfig)
    installed.send("DELETE", f"{MODELS}/{NAME}")


def test_looking(cli: Cli) -> None:
    assert "canary: 10 % of the requests to r-9ad0e51c (step 2 of 5)" in cli("list", "-A")
    assert "21 of 412 requests failed" in cli("status", NAME)
    assert json.loads(cli("status", NAME, "-o", "json"))["status"]["production"] == PRODUCTION
    assert RUN in cli("runs", NAME)
    assert "quality" in cli("report", RUN)
    assert "are the same" in cli("compare", RUN, "pt-en-a")
    assert "no TranslationModel nope" in cli("status", "nope", code=3)


def annotations(installed: Installed) -> Tree:
    found = installed.send("GET", f"{MODELS}/{NAME}").json()["metadata"].get("annotations", {})
    return dict(found)


def test_acting(cli: Cli, installed: Installed) -> None:
    assert "the verb promote" in cli("promote", NAME, "--as", "writer", code=6)
    assert "translation.kubeflow.org/promote" not in annotations(installed)
    cli("promote", NAME, "--as", "editor")
    assert annotations(installed)["translation.kubeflow.org/promote"].startswith("r-9ad0e51c/")
    cli("promote", NAME, "--full")
    assert annotations(installed)["translation.kubeflow.org/promote"].startswith("full/r-9ad0e51c/")
    cli("retry", NAME)
    assert annotations(installed)["translation.kubeflow.org/retry"].startswith("r-00000000/")
    assert "no earlier production revision" in cli("rollback", NAME, code=4)
    assert "has not seen abort" in cli("abort", NAME, "--wait", "--timeout", "2", code=7)


def test_waiting_for_an_operator(cli: Cli, installed: Installed) -> None:
    def operator() -> None:
        """Handle the token of pause when it comes."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            token = annotations(installed).get("translation.kubeflow.org/pause")
            if token:
                accepted = condition("ActionAccepted", "True", "ActionTaken", f"pause={token}")
                changed = {"handled": {"pause": token}, "conditions": [READY, accepted]}
                write_status(installed, f"{MODELS}/{NAME}", changed)
                return
            time.sleep(0.1)

    thread = threading.Thread(target=operator)
    thread.start()
    try:
        assert "pause of r-9ad0e51c is done" in cli("pause", NAME, "--wait")
    finally:
        thread.join()


def test_watching(cli: Cli, installed: Installed) -> None:
    words = cli.arguments("status", NAME, "--watch")
    process = subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert "canary: 10 %" in process.stdout.readline()
        changed = {"candidate": CANDIDATE | {"step": 2, "weight": 50}}
        write_status(installed, f"{MODELS}/{NAME}", changed)
        assert "canary: 50 %" in process.stdout.readline()
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_linting_with_the_server(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    changed = MINIMAL_MODEL["spec"] | {"sourceLanguage": "de"}
    path.write_text(yaml.safe_dump(MINIMAL_MODEL | {"metadata": {"name": NAME}, "spec": changed}))
    assert "nothing to object" in cli("lint", str(path))
    assert "is immutable" in cli("lint", str(path), "--server", code=5)


def test_what_does_not_fit_a_bare_api_server(cli: Cli) -> None:
    rows = {row["check"]: row for row in json.loads(cli("doctor", "-o", "json", code=5))}
    verdicts = {name: row["verdict"] for name, row in rows.items()}
    fitting = ("API server", "definition TranslationModel", "admission policy", "you may bless")
    assert {name: verdicts[name] for name in fitting} == dict.fromkeys(fitting, "ok")
    assert {verdicts[name] for name in ("KServe", "operator")} == {"problem"}


def test_what_somebody_else_may_do(cli: Cli) -> None:
    told = cli("doctor", "-o", "json", "--as", "editor", code=5)
    verdicts = {row["check"]: row["verdict"] for row in json.loads(told)}
    assert verdicts["you may promote and roll back"] == "ok"
    assert verdicts["you may bless"] == "warning"
    assert verdicts["operator"] == "unknown"


def test_no_cluster_at_all(tmp_path: Path) -> None:
    nowhere = Cli(tmp_path / "nope")
    assert "Name a kubeconfig" in nowhere("list", code=2)
