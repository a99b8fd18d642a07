"""The sample of a search: Katib can make its trials, see how they end, and read their scores."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.gitops.recorded import RUNS, STORIES, decided, recorded
from tests.operator.builders import observed_run
from tests.operator.core.test_jobs import ALL
from tests.operator.shell.cluster import localcluster_python

from mt_contract import names
from mt_operator.core.children.pod import job
from mt_operator.core.run.decide import decide_run

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "manifests/samples/katib"
EXPERIMENT = yaml.safe_load((SAMPLE / "experiment.yaml").read_text(encoding="utf-8"))["spec"]
TEMPLATE = EXPERIMENT["trialTemplate"]
PLACEHOLDER = re.compile(r"\$\{trialParameters\.([^}]+)\}")
_GO = """
import json
from localcluster.cache import default_cache
from localcluster.golang import find
from localcluster.progress import Progress
go = find(default_cache(), Progress())
print(json.dumps([str(go.program), go.env]))
"""


def trials() -> Iterator[Mapping[str, Any]]:
    """Return the specs of all trials that the search may make, as Katib fills them in."""
    spaces = {p["name"]: p["feasibleSpace"]["list"] for p in EXPERIMENT["parameters"]}
    references = {p["name"]: p["reference"] for p in TEMPLATE["trialParameters"]}
    text = json.dumps(TEMPLATE["trialSpec"])
    for values in itertools.product(*spaces.values()):
        chosen = dict(zip(spaces, values, strict=True))
        yield json.loads(PLACEHOLDER.sub(lambda m: chosen[references[m[1]]], text))  # noqa: B023


def pod_labels(make: Any) -> Mapping[str, str]:
    found: Mapping[str, str] = job(make()).manifest["spec"]["template"]["metadata"]["labels"]
    return found


def test_every_parameter_is_used_and_no_other() -> None:
    used = set(PLACEHOLDER.findall(json.dumps(TEMPLATE["trialSpec"])))
    assert used == {parameter["name"] for parameter in TEMPLATE["trialParameters"]}
    referenced = [parameter["reference"] for parameter in TEMPLATE["trialParameters"]]
    assert referenced == [parameter["name"] for parameter in EXPERIMENT["parameters"]]
    assert "metadata" not in TEMPLATE["trialSpec"], "Katib names its trials"


def test_every_trial_is_a_run_that_the_operator_trains() -> None:
    seen = 0
    for trial in trials():
        assert (trial["apiVersion"], trial["kind"]) == (names.API_VERSION, names.RUN_KIND)
        status = decide_run(observed_run(trial["spec"])).status or {}
        reasons = {c["type"]: c["reason"] for c in status["conditions"]}
        assert "Stalled" not in reasons, reasons
        assert status["recipe"]["training"]["optimizer"]["learningRate"] != "${"
        seen += 1
    assert seen == 5 * 4 * 3 * 2


@pytest.mark.parametrize("stage", ALL)
def test_of_a_trials_pods_one_has_the_scores(stage: str) -> None:
    wanted = TEMPLATE["primaryPodLabels"].items()
    assert (wanted <= pod_labels(ALL[stage]).items()) == (stage == "evaluate")


@pytest.mark.parametrize("stage", ALL)
def test_every_pod_has_the_container_that_katib_demands(stage: str) -> None:
    pod = job(ALL[stage]()).manifest["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["containers"]] == [TEMPLATE["primaryContainerName"]]


def test_katibs_controller_may_make_trials() -> None:
    role, binding = yaml.safe_load_all((SAMPLE / "rbac.yaml").read_text(encoding="utf-8"))
    assert role["rules"] == [
        {
            "apiGroups": [names.GROUP],
            "resources": [names.RUN_PLURAL],
            "verbs": ["get", "list", "watch", "create", "delete"],
        }
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_the_controller_is_told_of_the_kind() -> None:
    resource = f"{names.RUN_KIND}.{names.VERSION}.{names.GROUP}"
    for page in (SAMPLE / "README.md", ROOT / "docs/katib.md"):
        assert resource in page.read_text(encoding="utf-8"), page


def expected(found: Mapping[str, Any]) -> str:
    """Return what a person says of a run: how it ended, or that it goes on."""
    told = {c["type"]: c for c in found["status"].get("conditions") or () if c["status"] == "True"}
    for kind, verdict in (("Stalled", "Failed"), ("Succeeded", "Succeeded")):
        if kind in told:
            return f"{verdict} {told[kind]['reason']}"
    return "Running"


@pytest.mark.slow
def test_katib_sees_how_a_run_ends() -> None:
    runs = [decided(observed) for observed in RUNS.values()]
    runs += [found for story in STORIES for found in recorded(story)]
    runs = [found for found in runs if found["kind"] == names.RUN_KIND]
    conditions = {key: TEMPLATE[key] for key in ("successCondition", "failureCondition")}
    answers = go_run("".join(json.dumps({"object": found, **conditions}) + "\n" for found in runs))
    assert answers == [expected(found) for found in runs]
    assert {answer.split()[0] for answer in answers} == {"Running", "Succeeded", "Failed"}
    assert {"Succeeded Completed", "Failed DataInvalid", "Failed ImageNotAllowed"} <= {*answers}


def go_run(lines: str) -> list[str]:
    """Return what the program in conditions/ answers."""
    found = subprocess.run(
        [localcluster_python(), "-c", _GO],
        env=os.environ | {"PYTHONPATH": str(ROOT / "localcluster")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    program, environment = json.loads(found.stdout.splitlines()[-1])
    done = subprocess.run(
        [program, "run", "."],
        cwd=Path(__file__).parent / "conditions",
        env=os.environ | environment,
        input=lines,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
