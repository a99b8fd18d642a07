"""Rules that more than one field takes part in, against a real API server. One case a line."""

from __future__ import annotations

from typing import Any

import pytest
from tests.crds.apiserver import Api
from tests.crds.cases import (
    ALONE,
    FULL_MODEL,
    IMPORTING_RUN,
    MINIMAL_MODEL,
    MINIMAL_RUN,
    REMOVED,
    Tree,
    at,
    edited,
)

pytestmark = pytest.mark.apiserver
ACCEPTED = ""
W = [{"setWeight": n} for n in range(101)]
PAUSE: Tree = {"pause": {}}
TWO_FILES = {"uri": "pvc://c/a.pt", "targetUri": "pvc://c/a.en"}
ONE_FILE = {"uri": "pvc://c/a.tsv"}
GATES = "evaluation.gates"


def gate(**bounds: str) -> list[Tree]:
    return [{"name": "g", "metric": "chrF"} | bounds]


def case(name: str, edits: Tree, expected: str) -> Any:
    """Return a line: a name, edits of spec (by path), and a part of the message or ACCEPTED."""
    return pytest.param(edits, expected, id=name)


def metric(**fields: Any) -> Tree:
    return {"rollout.analysis.metrics": [{"name": "m"} | fields]}


def check(api: Api, document: Tree, edits: Tree, expected: str) -> None:
    answer = api.create(edited(document, edits))
    assert answer.accepted == (expected == ACCEPTED), answer.message or "it was accepted"
    assert expected in answer.message


NOT_GROWING = "weights must grow"
TWO_THINGS = "a step is either setWeight or pause"
BOUND = "a gate needs a bound"
ABSOLUTE = "at least one gate must be absolute"
NO_DELTAS = "without a baseline there are no deltas"
NO_SLICE = "a gate names a slice that no entry of data.test has"
PARALLEL = "format Parallel reads two line-aligned files"
NOT_PARALLEL = "targetUri belongs to format Parallel"
COLUMNS = "fields names columns of JSONL and Parquet"
ENTRIES = ("data.train", "data.validation", "data.test")
PAIRS = {entry: [TWO_FILES] for entry in ENTRIES}
DELTA = {"name": "d", "metric": "chrF"}
MODEL_RULES = [
    case("steps that end below 100", {"rollout.steps": [W[10]]}, "last step must be setWeight 100"),
    case("steps that end in a pause", {"rollout.steps": [W[100], PAUSE]}, "last step must be"),
    case("steps that go back", {"rollout.steps": [W[50], W[10], W[100]]}, NOT_GROWING),
    case("steps that stand still", {"rollout.steps": [W[50], W[50], W[100]]}, NOT_GROWING),
    case("steps that reach 100 twice", {"rollout.steps": [W[100], W[100]]}, NOT_GROWING),
    case("steps with pauses between", {"rollout.steps": [PAUSE, W[1], PAUSE, W[100]]}, ACCEPTED),
    case("steps that reach 100 at once", {"rollout.steps": [W[100]]}, ACCEPTED),
    case("a step of two things", {"rollout.steps": [W[10] | PAUSE, W[100]]}, TWO_THINGS),
    case("a step of nothing", {"rollout.steps": [{}, W[100]]}, TWO_THINGS),
    case("a gate without a bound", {GATES: gate()}, BOUND),
    case("only a delta", {GATES: gate(minDelta="-1")}, ABSOLUTE),
    case("a max alone is absolute", {GATES: gate(max="1")}, ACCEPTED),
    case("a delta beside a floor", {GATES: [*gate(min="1"), DELTA | {"minDelta": "0"}]}, ACCEPTED),
    case("two gates of one name", {GATES: [*gate(min="1"), *gate(max="9")]}, "Duplicate value"),
    case("min above max", {GATES: gate(min="10", max="9.5")}, "min must not be above max"),
    case("min equal to max", {GATES: gate(min="9.50", max="9.5")}, ACCEPTED),
    case("min below max as numbers, not as texts", {GATES: gate(min="9", max="10")}, ACCEPTED),
    case("crossed deltas", {GATES: gate(min="1", minDelta="1", maxDelta="0")}, "minDelta must not"),
    case("a delta with baseline None",
         {"evaluation.baseline": "None", GATES: gate(min="1", minDelta="0")}, NO_DELTAS),
    case("no delta with baseline None", {"evaluation.baseline": "None"}, ACCEPTED),
    case("a slice that is not there", {GATES: gate(min="1", slice="legal")}, NO_SLICE),
    case("a slice of a test file",
         {GATES: gate(min="1", slice="legal"), "data.test": [ONE_FILE | {"slice": "legal"}]},
         ACCEPTED),
    case("a slice from a column",
         {GATES: gate(min="1", slice="legal"), "data.fields": {"slice": "domain"}}, ACCEPTED),
    case("columns of a TSV", {"data.format": "TSV", "data.fields": {"source": "a"}}, COLUMNS),
    case("columns of two files",
         {"data.format": "Parallel", "data.fields": {"source": "a"}} | PAIRS, COLUMNS),
    case("columns of Parquet",
         {"data.format": "Parquet", "data.fields": {"source": "a"}}, ACCEPTED),
    case("columns where the format is found out", {"data.fields": {"source": "a"}}, ACCEPTED),
    case("a TSV", {"data.format": "TSV"}, ACCEPTED),
    case("Parallel", {"data.format": "Parallel"} | PAIRS, ACCEPTED),
    *(case(f"Parallel with one file in {entry}",
           {"data.format": "Parallel"} | PAIRS | {entry: [TWO_FILES, ONE_FILE]}, PARALLEL)
      for entry in ENTRIES),
    *(case(f"a TSV with two files in {entry}",
           {"data.format": "TSV", entry: [TWO_FILES]}, NOT_PARALLEL)
      for entry in ENTRIES),
    case("two files where the format is found out", PAIRS, ACCEPTED),
    case("a dimension that heads do not divide",
         {"training.architecture": {"modelDimension": 130, "heads": 8}}, "a multiple of heads"),
    case("a dimension that heads divide",
         {"training.architecture": {"modelDimension": 136, "heads": 8}}, ACCEPTED),
    case("an odd dimension", {"training.architecture.modelDimension": 3}, "a multiple of 2"),
    case("an environment variable of the operator's",
         {"training.env": [{"name": "MT_RECIPE", "value": "x"}]}, "belong to the operator"),
    case("a prefix of the operator's",
         {"training.envFrom": [{"prefix": "MT_", "secretRef": {"name": "a"}}]}, "belong to"),
    case("a variable twice",
         {"training.env": [{"name": "A", "value": "x"}] * 2}, "Duplicate value"),
    case("a variable with value and reference",
         {"training.env": [{"name": "A", "value": "x",
                            "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
         "give either value or valueFrom"),
    case("a variable from two places",
         {"training.env": [{"name": "A", "valueFrom": {
             "secretKeyRef": {"name": "a", "key": "b"},
             "configMapKeyRef": {"name": "a", "key": "b"}}}]},
         "give either secretKeyRef or configMapKeyRef"),
    case("variables from two places",
         {"training.envFrom": [{"secretRef": {"name": "a"}, "configMapRef": {"name": "a"}}]},
         "give either secretRef or configMapRef"),
    case("more replicas at least than at most",
         {"serving.replicas": {"min": 3, "max": 2}}, "min must not be above max"),
    case("as many replicas at least as at most",
         {"serving.replicas": {"min": 2, "max": 2}}, ACCEPTED),
    case("only a most", {"serving.replicas": {"max": 3}}, ACCEPTED),
    case("only a least", {"serving.replicas": {"min": 3}}, "give max as well"),
    *(case(f"{mode} mode scaled by {by}",
           {"serving.deploymentMode": mode, "serving.replicas": {"metric": by}}, expected)
      for mode, by, expected in [
          ("Standard", "rps", "in Knative mode only: choose cpu or memory"),
          ("Standard", "concurrency", "in Knative mode only: choose cpu or memory"),
          ("Standard", "memory", ACCEPTED),
          ("Knative", "rps", ACCEPTED),
          ("Auto", "rps", ACCEPTED),
      ]),
    case("Standard mode scaled to zero",
         {"serving.deploymentMode": "Standard", "serving.replicas": {"min": 0, "max": 1}},
         "scales to zero in Knative mode only"),
    case("Knative mode scaled to zero",
         {"serving.deploymentMode": "Knative", "serving.replicas": {"min": 0, "max": 1}}, ACCEPTED),
    case("a metric of two kinds",
         metric(builtin="ErrorRate", query="q", max="1"), "give either builtin or query"),
    case("a metric of no kind", metric(max="1"), "give either builtin or query"),
    case("a metric without a bound", metric(builtin="ErrorRate"), "a metric needs a bound"),
    case("a metric with a ratio alone", metric(query="q", maxRatio="1"), ACCEPTED),
    case("two metrics of one name",
         {"rollout.analysis.metrics": [{"name": "m", "query": "q", "max": "1"}] * 2}, "Duplicate"),
    case("a quality gate without a bound",
         {"retrain.onQuality": {"data": [ONE_FILE], "cron": "0 4 1 * *",
                                "gates": [{"metric": "chrF"}]}}, "min or max"),
    case("a quality gate that nothing passes",
         {"retrain.onQuality": {"data": [ONE_FILE], "cron": "0 4 1 * *",
                                "gates": [{"metric": "chrF", "min": "2", "max": "1"}]}},
         "min must not be above max"),
    case("one receiver twice",
         {"alerts": [{"receiver": "a", "on": ["RunFailed"]}] * 2}, "Duplicate value"),
    case("null is as good as nothing", {"training": None, "suspend": None}, ACCEPTED),
    case("null where something is needed", {"storage": None}, "spec.storage: Required value"),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), MODEL_RULES)
def test_a_model(api: Api, edits: Tree, expected: str) -> None:
    check(api, MINIMAL_MODEL, edits, expected)


IMPORT: Tree = {"uri": "pvc://models/other/model"}
ALONE_RULES = [
    case("all that is needed", {}, ACCEPTED),
    *(case(f"no {field}", {field: REMOVED}, f"a run without modelRef needs {expected}")
      for field, expected in [
          ("sourceLanguage", "sourceLanguage and targetLanguage"),
          ("targetLanguage", "sourceLanguage and targetLanguage"),
          ("storage", "storage"),
          ("data", "data"),
          ("data.train", "data: test, and train unless it imports"),
          ("data.test", "data: test"),
          ("evaluation", "evaluation.gates"),
          ("evaluation.gates", "evaluation.gates"),
          ("training", "training (it may be {}) or import"),
      ]),
    case("imported, with data to judge it by",
         {"training": REMOVED, "data.train": REMOVED, "import": IMPORT}, ACCEPTED),
    case("imported, with nothing to judge it by",
         {"training": REMOVED, "data": REMOVED, "import": IMPORT}, "needs data: test"),
    case("trained and imported", {"import": IMPORT}, "remove training or import"),
    case("a candidate", {"candidate": True}, "only a run of a model can be its candidate"),
    case("no candidate", {"candidate": False}, ACCEPTED),
    case("started from another's weights",
         {"training.warmStartFrom": "Production"}, "can start from its weights"),
    case("started from nothing", {"training.warmStartFrom": "None"}, ACCEPTED),
    case("a slice that is not there", {GATES: gate(min="1", slice="legal")}, NO_SLICE),
    case("only a delta", {GATES: gate(minDelta="-1")}, ABSOLUTE),
    case("a placement", {"training.queueName": "mt", "training.nodes": 2}, ACCEPTED),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), ALONE_RULES)
def test_a_run_of_its_own(api: Api, edits: Tree, expected: str) -> None:
    check(api, ALONE, edits, expected)


RUN_RULES = [
    case("nothing but the model", {}, ACCEPTED),
    case("another seed", {"training": {"seed": 7}}, ACCEPTED),
    case("an empty training", {"training": {}}, ACCEPTED),
    case("one more gate's worth", {GATES: gate(min="1", slice="legal")}, ACCEPTED),
    case("a baseline alone", {"evaluation": {"baseline": "None"}}, ACCEPTED),
    case("test data alone", {"data.test": [ONE_FILE]}, ACCEPTED),
    case("a candidate", {"candidate": True}, ACCEPTED),
    case("another engine", {"serving": {"beamSize": 1}}, ACCEPTED),
    case("trained and imported", {"training": {}, "import": IMPORT}, "remove training or import"),
    case("imported", {"import": IMPORT}, ACCEPTED),
    case("imported and placed", {"import": IMPORT, "serving": {"precision": "Float32"}}, ACCEPTED),
    case("only a delta", {GATES: gate(minDelta="-1")}, ABSOLUTE),
    case("no model and nothing else", {"modelRef": REMOVED}, "without modelRef needs storage"),
    *(case(f"serving.{key}", {f"serving.{key}": value}, f'unknown field "spec.serving.{key}"')
      for key, value in [("replicas", {"max": 2}), ("maxQueue", 5), ("deploymentMode", "Auto")]),
    *(case(key, {key: value}, f'unknown field "spec.{key}"')
      for key, value in [("rollout", {}), ("retrain", {}), ("alerts", []), ("history", {})]),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), RUN_RULES)
def test_a_run_of_a_model(api: Api, edits: Tree, expected: str) -> None:
    check(api, MINIMAL_RUN, edits, expected)


@pytest.mark.parametrize(
    ("document", "name", "expected"),
    [
        pytest.param(MINIMAL_MODEL, "a", ACCEPTED, id="a model of one letter"),
        pytest.param(MINIMAL_MODEL, "a" * 42, ACCEPTED, id="a model of 42 letters"),
        pytest.param(MINIMAL_MODEL, "a" * 43, "at most 42 characters", id="a model of 43 letters"),
        pytest.param(MINIMAL_MODEL, "1a", "must be a KServe name", id="a model with a digit first"),
        pytest.param(MINIMAL_MODEL, "a.b", "must be a KServe name", id="a model with a dot"),
        pytest.param(MINIMAL_RUN, "1a", ACCEPTED, id="a run with a digit first"),
        pytest.param(MINIMAL_RUN, "a" * 63, ACCEPTED, id="a run of 63 letters"),
        pytest.param(MINIMAL_RUN, "a" * 64, "at most 63", id="a run of 64 letters"),
        pytest.param(MINIMAL_RUN, "a.b", "at most 63", id="a run with a dot"),
    ],
)
def test_a_name(api: Api, document: Tree, name: str, expected: str) -> None:
    answer = api.create(at(document, "metadata.name", name))
    assert answer.accepted == (expected == ACCEPTED), answer.message
    assert expected in answer.message


def test_a_run_may_get_its_name_from_the_api_server(api: Api) -> None:
    answer = api.create(at(MINIMAL_RUN, "metadata", {"generateName": "pt-en-"}))
    assert answer.accepted, answer.message
    assert answer.body["metadata"]["name"].startswith("pt-en-")


@pytest.mark.parametrize("document", [MINIMAL_MODEL, MINIMAL_RUN, IMPORTING_RUN, ALONE])
def test_nothing_goes_without_a_spec(api: Api, document: Tree) -> None:
    answer = api.create({key: value for key, value in document.items() if key != "spec"})
    assert "spec: Required value" in answer.message


@pytest.mark.parametrize(
    "path",
    [
        "spec.trainign",
        "spec.data.trains",
        "spec.training.optimizer.momentum",
        "spec.evaluation.gates[0].minimum",
        "spec.rollout.steps[0].weight",
        "spec.training.tolerations[0].keys",
        "spec.training.resources.limit",
        "metadata.label",
    ],
)
def test_a_misspelt_field_is_named_where_asked_for_and_dropped_else(api: Api, path: str) -> None:
    document = at(FULL_MODEL, path, "x")
    assert f'unknown field "{path}"' in api.create(document).message
    answer = api.create(document, strict=False)
    assert answer.accepted, answer.message
    assert answer.body["spec"] == FULL_MODEL["spec"]
