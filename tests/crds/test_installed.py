"""The definitions as a real API server has them: names, columns, status, what users are shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.crds.apiserver import Api
from tests.crds.cases import FULL_MODEL, MINIMAL_MODEL, MINIMAL_RUN, Tree, at

pytestmark = pytest.mark.apiserver
CRDS = Path(__file__).parents[2] / "crds"
TIME = "2026-11-21T03:04:05Z"
DIGEST = "sha256:" + "0" * 64


def condition(type: str, status: str, reason: str) -> Tree:
    return {
        "type": type,
        "status": status,
        "reason": reason,
        "message": "In words.",
        "lastTransitionTime": TIME,
        "observedGeneration": 1,
    }


ARTIFACT = {"uri": "pvc://models/pt-en/r/model", "digest": DIGEST}
MODEL_STATUS: Tree = {
    "observedGeneration": 4,
    "pair": "pt-en",
    "url": "http://pt-en-team-a.example.com",
    "address": {"url": "http://gateway"},
    "trafficBackend": "HTTPRoute",
    "production": {
        "revision": "r-4c1f90ab",
        "run": "pt-en-7h2xk",
        "artifact": ARTIFACT,
        "scores": {"chrF": "48.2", "BLEU": "27.9"},
        "since": TIME,
        "readySince": TIME,
        "engine": {"engine": "CTranslate2", "beamSize": 4},
        "serving": {"replicas": {"min": 1}},
        "folder": "pvc://models/pt-en/r",
        "later": {"kept": [1]},
    },
    "candidate": {
        "revision": "r-9ad00000",
        "run": "pt-en-b81qz",
        "stage": "Canary",
        "step": 1,
        "weight": 5,
        "reason": "Canary",
        "analysis": {"errors": "0.001"},
        "probe": {"attempt": 1},
        "stageSince": TIME,
        "stepSince": TIME,
        "engine": {},
        "serving": {},
        "later": True,
    },
    "previous": [{"revision": "r-1", "run": "a", "artifact": ARTIFACT, "retired": TIME, "x": 1}],
    "retiring": [
        {
            "revision": "r-2",
            "run": "b",
            "artifact": ARTIFACT,
            "engine": {"beamSize": 1},
            "serving": {"maxQueue": 2},
            "until": TIME,
        }
    ],
    "rejected": [{"revision": "r-3", "run": "c", "reason": "R", "message": "m", "time": TIME}],
    "triggers": {
        "nextSchedule": TIME,
        "lastSchedule": TIME,
        "lastMissedSchedule": TIME,
        "dataDigest": DIGEST,
        "lastTrigger": {"cause": "Drift", "time": TIME, "run": "d"},
    },
    "drift": {
        "statistic": "PSI",
        "score": "0.07",
        "feature": "sourceLength",
        "samples": 5312,
        "window": "24h",
    },
    "handled": {"promote": "r-9ad0/1"},
    "conditions": [
        condition("Ready", "True", "Serving"),
        condition("Degraded", "True", "GateFailed"),
    ],
}
RUN_STATUS: Tree = {
    "observedGeneration": 1,
    "recipe": {"digest": DIGEST, "training": {"seed": 42}, "data": {"train": []}},
    "inputs": {"storage": {"uri": "pvc://a"}, "written": {"data": {}}, "test": []},
    "attempts": {"train": 1, "evaluate": 2, "collect-train": 0},
    "result": {"train": {"kind": "TrainResult"}},
    "cause": "Schedule",
    "startTime": TIME,
    "completionTime": TIME,
    "usage": {"gpuSeconds": 5400, "cpuSeconds": 21000},
    "progress": {
        "stage": "Training",
        "step": 4200,
        "totalSteps": 10000,
        "epoch": 3,
        "progressPercentage": 42,
        "estimatedRemainingSeconds": 310,
        "metrics": [
            {"name": "validationLoss", "value": "2.44"},
            {"name": "loss", "value": "2.31"},
        ],
        "lastUpdatedTime": TIME,
    },
    "dataset": {"digest": DIGEST, "pairs": 65952, "rejectedPairs": 12, "anomalies": ["odd"]},
    "artifact": ARTIFACT | {"sizeBytes": 9123456},
    "evaluation": {
        "scores": {"chrF": "48.9", "BLEU": "28.4"},
        "baseline": {"run": "a", "scores": {"chrF": "48.2"}},
        "signatures": {"BLEU": "nrefs:1|case:mixed"},
        "gates": [
            {
                "name": "no-regression",
                "metric": "chrF",
                "rule": "minDelta -0.5",
                "value": "+0.7",
                "interval": ["+0.1", "+1.3"],
                "verdict": "Passed",
            }
        ],
        "verdict": "Passed",
        "report": "pvc://models/pt-en/r/evaluation/report.html",
    },
    "conditions": [condition("Succeeded", "True", "Completed")],
}


@pytest.fixture(params=["model", "run"])
def reported(api: Api, request: pytest.FixtureRequest) -> Iterator[tuple[Tree, Tree]]:
    """Yield an object with a status as the operator writes it, and that status."""
    document, status = {
        "model": (FULL_MODEL, MODEL_STATUS),
        "run": (MINIMAL_RUN, RUN_STATUS),
    }[request.param]
    named = at(document, "metadata.name", "reported")
    api.delete(named)
    created = api.create(named | {"status": {"observedGeneration": 9}}, dry_run=False)
    assert created.accepted, created.message
    assert created.body["status"] == {"observedGeneration": -1}  # a user's is dropped
    yield created.body, status
    api.delete(named)


def test_a_status_is_kept_whole_and_changes_no_generation(
    api: Api, reported: tuple[Tree, Tree]
) -> None:
    body, status = reported
    answer = api.patch(body, {"status": status, "spec": {"suspend": True}}, part="/status")
    assert answer.accepted, answer.message
    assert answer.body["status"] == status
    assert answer.body["metadata"]["generation"] == 1
    assert answer.body["spec"] == body["spec"]


COLUMNS = {
    "TranslationModel": {
        "Name": "reported",
        "Pair": "pt-en",
        "Ready": "True",
        "Production": "r-4c1f90ab",
        "chrF": "48.2",
        "Candidate": "r-9ad00000",
        "Stage": "Canary",
        "Weight": 5,
        "Age": None,
        "URL": "http://pt-en-team-a.example.com",
        "Degraded": "GateFailed",
    },
    "TrainingRun": {
        "Name": "reported",
        "Model": "pt-en",
        "Stage": "Training",
        "Progress": 42,
        "Loss": "2.31",
        "chrF": "48.9",
        "Verdict": "Passed",
        "Age": None,
    },
}


def test_kubectl_shows_the_columns(api: Api, reported: tuple[Tree, Tree]) -> None:
    body, status = reported
    api.patch(body, {"status": status}, part="/status")
    table = api.table(body["kind"])
    columns = {c["name"]: c["priority"] for c in table["columnDefinitions"]}
    cells = next(row["cells"] for row in table["rows"] if row["cells"][0] == "reported")
    shown = dict(zip(columns, cells, strict=True)) | {"Age": None}
    assert shown == COLUMNS[body["kind"]]
    assert [name for name, priority in columns.items() if priority] == (
        ["URL", "Degraded"] if body["kind"] == "TranslationModel" else []
    )


@pytest.mark.parametrize(
    ("document", "path", "value", "message"),
    [
        (MINIMAL_MODEL, "candidate.stage", "Resting", "Unsupported value"),
        (MINIMAL_MODEL, "candidate.weight", 101, "should be less than or equal to 100"),
        (MINIMAL_MODEL, "conditions", [{"type": "Ready"}], "Required value"),
        (MINIMAL_MODEL, "conditions", [MODEL_STATUS["conditions"][0]] * 2, "Duplicate value"),
        (MINIMAL_MODEL, "production.since", "yesterday", "must be of type date-time"),
        (MINIMAL_RUN, "cause", "Boredom", "Unsupported value"),
        (MINIMAL_RUN, "evaluation.verdict", "Maybe", "Unsupported value"),
        (MINIMAL_RUN, "progress.progressPercentage", 101, "should be less than or equal to 100"),
        (MINIMAL_RUN, "attempts.train", "1", "must be of type integer"),
    ],
)
def test_a_status_of_another_shape_is_refused(
    api: Api, document: Tree, path: str, value: Any, message: str
) -> None:
    named = at(document, "metadata.name", "misreported")
    api.create(named, dry_run=False)
    try:
        answer = api.patch(named, {"status": at({}, path, value)}, part="/status")
        assert message in answer.message
    finally:
        api.delete(named)


@pytest.mark.parametrize("name", ["translationmodels", "trainingruns"])
def test_the_api_server_finds_no_fault(api: Api, name: str) -> None:
    installed = api.definition(name)
    conditions = {c["type"]: c["status"] for c in installed["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}  # no NonStructuralSchema
    names = installed["status"]["acceptedNames"]
    short = {"translationmodels": ["tm", "tmodel"], "trainingruns": ["trun"]}[name]
    assert (names["shortNames"], names["categories"]) == (short, ["mt"])
    assert installed["spec"]["scope"] == "Namespaced"


def nodes(schema: Any, above: str = "") -> Iterator[tuple[str, Tree]]:
    """Yield every schema within a schema, with its path."""
    yield above, schema
    for key, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{above}.{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{above}[]")


SCHEMAS = {
    name: yaml.safe_load((CRDS / f"{name}.yaml").read_text())["spec"]["versions"][0]["schema"][
        "openAPIV3Schema"
    ]
    for name in ("translationmodels", "trainingruns")
}
NODES = [(name, *node) for name, schema in SCHEMAS.items() for node in nodes(schema)]
SPEC_NODES = [(name, path, node) for name, path, node in NODES if path.startswith(".spec")]


def test_nothing_has_a_default_that_gitops_would_see_as_drift() -> None:
    defaults = {path: node["default"] for _, path, node in NODES if "default" in node}
    assert defaults == {".status": {"observedGeneration": -1}}  # no tool compares status


def test_every_list_map_and_string_of_spec_is_bounded() -> None:
    unbounded = [
        path
        for _, path, node in SPEC_NODES
        if (node.get("type") == "array" and "maxItems" not in node)
        or (node.get("type") == "string" and not {"maxLength", "enum"} & node.keys())
        or ("additionalProperties" in node and "maxProperties" not in node)
    ]
    assert unbounded == []


def test_every_list_says_how_it_is_merged() -> None:
    unsaid = [
        path
        for _, path, node in NODES
        if node.get("type") == "array" and "x-kubernetes-list-type" not in node
    ]
    assert unsaid == []


def test_nothing_of_spec_is_kept_that_no_schema_knows() -> None:
    kept = [p for _, p, node in SPEC_NODES if "x-kubernetes-preserve-unknown-fields" in node]
    assert kept == []


def test_every_field_is_described() -> None:
    silent = [
        f"{name} {path}"
        for name, path, node in NODES
        if path.startswith((".spec", ".status"))
        and not path.endswith("[]")
        and not node.get("description", "").endswith(".")
    ]
    assert silent == []


def test_every_rule_says_what_to_do() -> None:
    rules = [rule for _, _, node in NODES for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) > 60
    assert [rule for rule in rules if not rule.get("message")] == []


SAMPLES = [
    path
    for folder in ("samples", "argocd/sample/team-a")
    for path in sorted((CRDS.parent / "manifests" / folder).glob("*.yaml"))
]


@pytest.mark.parametrize("path", SAMPLES, ids=[path.name for path in SAMPLES])
def test_every_sample_is_accepted(api: Api, path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        if document["apiVersion"].startswith("translation.kubeflow.org/"):
            document["metadata"].pop("namespace", None)
            assert api.create(document).message == ""
