"""lint: what it objects to, what it advises, and what it says that it did not check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.fake import FakeCluster, cli, refusal
from tests.crds.cases import MINIMAL_MODEL, MINIMAL_RUN, REMOVED, SAMPLES, edited

from mt_cli.errors import Code

Tree = dict[str, Any]
GATES = "evaluation.gates"
CHANGES = "Not checked: what must not change in an object that exists (--server)."
NAMES = (
    "Not checked: whether the platform knows the images, gateways, queries and receivers that are "
    "named (--settings)."
)


def gate(metric: str = "chrF", **bounds: str) -> Tree:
    return {"name": metric.lower(), "metric": metric} | bounds


def lint(folder: Path, *documents: Tree, options: str = "") -> Any:
    path = folder / "m.yaml"
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return cli(FakeCluster(), f"lint {path} {options}")


def test_nothing_to_object(tmp_path: Path) -> None:
    result = lint(tmp_path, MINIMAL_MODEL)
    assert result.code == Code.DONE
    assert result.out.splitlines() == ["1 object: nothing to object.", CHANGES, NAMES]


# The full sample has fields that this release does not act on.
USABLE = [path for path in sorted(SAMPLES.glob("*.yaml")) if path.stem != "pt-en-full"]


@pytest.mark.parametrize("sample", USABLE, ids=lambda path: path.stem)
def test_the_samples_are_in_order(sample: Path) -> None:
    # An imported model is judged with the model that it names.
    model = SAMPLES / "pt-en.yaml" if sample.stem == "import" else ""
    result = cli(FakeCluster(), f"lint {sample} {model} --strict")
    assert result.code == Code.DONE, result.out


ERRORS = [
    pytest.param(
        {GATES: [{"name": "q", "metric": "chrF", "min": 40}]}, "spec.evaluation.gates[0].min",
        'must be a string: write it in quotes, "40"', id="a number that should be a text",
    ),
    pytest.param({"rollot": {}}, "spec.rollot", "rollout is meant?", id="a misspelt field"),
    pytest.param(
        {"alerts": [{"receiver": "a", "true": ["RunFailed"]}]}, "spec.alerts[0].true",
        "YAML reads a bare on", id="a bare on",
    ),
    pytest.param({"storage": REMOVED}, "spec.storage", "is required", id="a missing field"),
    pytest.param(
        {"rollout.steps": [{"setWeight": 50}]}, "spec.rollout.steps", "last step must be",
        id="a broken rule",
    ),
    pytest.param(
        {"rollout.steps": [{"pause": {}}, {"setWeight": 9}, {"setWeight": 5}, {"setWeight": 100}]},
        "spec.rollout.steps", "weights must grow", id="a rule about a whole list",
    ),
    pytest.param(
        {"storage.uri": "s3://models"}, "spec", "NotSupportedYet",
        id="what the operator does not act on",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "where", "message"), ERRORS)
def test_errors_say_where_and_what(tmp_path: Path, edits: Tree, where: str, message: str) -> None:
    result = lint(tmp_path, edited(MINIMAL_MODEL, edits), options="-o json")
    assert result.code == Code.FINDINGS
    found = [
        (f["where"], f["severity"]) for f in result.tree["findings"] if message in f["message"]
    ]
    assert found == [(where, "error")]


FLOOR = gate(min="40")
ADVICE = [
    pytest.param({GATES: [gate(min="101")]}, "nothing can pass", id="above the highest score"),
    pytest.param({GATES: [gate(min="0")]}, "cannot fail", id="a floor of nothing"),
    pytest.param(
        {GATES: [FLOOR, gate("EmptyFraction", max="1")]}, "cannot fail", id="a ceiling of all"
    ),
    pytest.param({GATES: [FLOOR, gate("TER", min="5")]}, "max is meant?", id="TER the wrong way"),
    pytest.param({GATES: [gate(max="60")]}, "min is meant?", id="chrF the wrong way"),
    pytest.param(
        {GATES: [gate(min="40", minDelta="0.5")]}, "only a sure improvement", id="always better"
    ),
    pytest.param(
        {GATES: [gate("EmptyFraction", max="0.1")]}, "no gate measures quality", id="no quality"
    ),
    pytest.param(
        {"data.test": [{"uri": "pvc://c/x"}], "data.train": [{"uri": "pvc://c/x"}]},
        "by what it has never seen", id="tested by what it learned",
    ),
    pytest.param(
        {"rollout": {"analysis": {}, "steps": [{"setWeight": 9}, {"setWeight": 100}]}},
        "without a pause", id="analysis without time",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "message"), ADVICE)
def test_advice_fails_only_where_asked_to(tmp_path: Path, edits: Tree, message: str) -> None:
    document = edited(MINIMAL_MODEL, edits)
    result = lint(tmp_path, document)
    assert (result.code, message in result.out) == (Code.DONE, True), result.out
    assert lint(tmp_path, document, options="--strict").code == Code.FINDINGS


@pytest.mark.parametrize(
    "gates",
    [
        pytest.param([gate(min="40", minDelta="-0.5")], id="non-inferiority"),
        pytest.param([FLOOR, gate("TER", max="60", maxDelta="1")], id="TER the right way"),
        pytest.param([FLOOR, gate("LengthRatio", min="0.8", max="1.2")], id="a corridor"),
        pytest.param([FLOOR, gate("EmptyFraction", max="0")], id="nothing may be empty"),
    ],
)
def test_sound_gates_are_left_alone(tmp_path: Path, gates: list[Tree]) -> None:
    result = lint(tmp_path, edited(MINIMAL_MODEL, {GATES: gates}), options="--strict")
    assert result.code == Code.DONE, result.out


def test_a_run_is_judged_with_its_model(tmp_path: Path) -> None:
    model = edited(MINIMAL_MODEL, {"storage.uri": "pvc://models/x"})
    name = model["metadata"]["name"]
    serving = {"engine": "TensorFlow", "precision": "Int8"}
    run = edited(MINIMAL_RUN, {"modelRef.name": name, "serving": serving})
    result = lint(tmp_path, model, run, options="-o json")
    assert [f["object"].split("/")[0] for f in result.tree["findings"]] == ["TrainingRun"]


def test_a_run_of_a_model_that_is_not_there_is_not_judged_and_that_is_said(tmp_path: Path) -> None:
    result = lint(tmp_path, edited(MINIMAL_RUN, {"modelRef.name": "elsewhere"}))
    assert result.code == Code.DONE
    assert "runs of elsewhere: no such model among these files" in result.out


SETTINGS = """
images: {trainer: t, predictor: p}
gateways: {other: {name: g, namespace: n}}
"""


def test_the_platforms_settings_are_held_against_names(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(SETTINGS)
    result = lint(tmp_path, MINIMAL_MODEL, options=f"--settings {settings}")
    assert result.code == Code.FINDINGS
    assert "UnknownGateway" in result.out
    assert NAMES not in result.out


FILES = [
    pytest.param("a: [", Code.FINDINGS, "is no YAML", id="no YAML"),
    pytest.param("kind: Pod\n", Code.NOT_FOUND, "no TranslationModel", id="nothing of ours"),
    pytest.param(
        "metadata: {name: a, name: b}\n", Code.FINDINGS, "'name' stands here twice", id="twice"
    ),
]


@pytest.mark.parametrize(("text", "code", "message"), FILES)
def test_files_that_are_not_manifests(tmp_path: Path, text: str, code: Code, message: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    result = cli(FakeCluster(), f"lint {tmp_path}/m.yaml")
    assert result.code == code
    assert message in result.err


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    assert cli(FakeCluster(), f"lint {tmp_path}/nope.yaml").code == Code.NOT_FOUND


def test_folders_and_lists_are_read_and_other_kinds_passed_over(tmp_path: Path) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [MINIMAL_MODEL, {"kind": "Pod"}]}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "list.json").write_text(yaml.safe_dump(listed))
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(MINIMAL_RUN))
    (tmp_path / "c.txt").write_text("no manifest")
    assert "2 objects: nothing to object." in cli(FakeCluster(), f"lint {tmp_path}").out


def test_text_that_looks_like_a_date_stays_text(tmp_path: Path) -> None:
    document = yaml.safe_dump(MINIMAL_MODEL) + "  serviceAccountName: 2026-11-21\n"
    (tmp_path / "m.yaml").write_text(document)
    assert cli(FakeCluster(), f"lint {tmp_path}/m.yaml").code == Code.DONE


def test_the_server_is_asked_by_a_dry_run(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump(MINIMAL_MODEL))
    cluster = FakeCluster()
    seen = []

    def answer(request: Any) -> Any:
        seen.append((request.method, request.url.path, request.url.params["dryRun"]))
        return refusal(422, "spec.sourceLanguage: is immutable")

    cluster.answers = [answer]
    result = cli(cluster, f"lint {path} --server")
    assert result.code == Code.FINDINGS
    assert "is immutable" in result.out
    assert CHANGES not in result.out
    name = MINIMAL_MODEL["metadata"]["name"]
    place = "/apis/translation.kubeflow.org/v1alpha1/namespaces/team-a/translationmodels"
    assert seen == [("PATCH", f"{place}/{name}", "All")]
