"""Which change of a model starts what: a run, a change in place, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.operator.model_builders import (
    IMAGES,
    MINUTE,
    SETTINGS,
    SPEC,
    World,
    another,
    served,
    upgraded,
)

from mt_contract import defaults
from mt_contract.defaults import merge
from mt_operator.core.children.training_run import ANNOTATION_CAUSE

LEGAL = {"name": "legal", "metric": "chrF", "min": "15"}
QUALITY = {"name": "quality", "metric": "chrF", "min": "40"}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param({"training": {"seed": 7}}, "Spec", id="another seed"),
        pytest.param({"training": {"preset": "Base"}}, "Spec", id="another preset"),
        pytest.param({"training": {"image": "registry/trainer:9"}}, "Spec", id="a trainer image"),
        pytest.param({"data": {"checks": {"minPairs": 9}}}, "Spec", id="a data check"),
        pytest.param({"data": {"train": [{"uri": "pvc://c/new.tsv"}]}}, "Spec", id="training data"),
        pytest.param({"serving": {"beamSize": 1}}, "Serving", id="another beam"),
        pytest.param({"serving": {"precision": "Float32"}}, "Serving", id="another precision"),
        pytest.param({"serving": {"image": "registry/p:9"}}, "Serving", id="a predictor image"),
        pytest.param({"evaluation": {"gates": [QUALITY, LEGAL]}}, "Evaluation", id="one more gate"),
        pytest.param({"data": {"test": [{"uri": "pvc://c/t.tsv"}]}}, "Evaluation", id="test data"),
        pytest.param({"training": {"seed": 42}}, None, id="a default written out"),
        pytest.param({"serving": {"beamSize": 4}}, None, id="an engine's default written out"),
        pytest.param({"evaluation": {"confidence": "0.95"}}, None, id="a gate's default written"),
        pytest.param({"training": {"warmStartFrom": "Production"}}, "Spec", id="a warm start"),
        pytest.param({"data": {"format": "TSV"}}, "Spec", id="the format of the data"),
        pytest.param({"training": {"queueName": "mt"}}, None, id="a queue"),
        pytest.param({"training": {"nodes": 4}}, None, id="the number of nodes"),
        pytest.param(
            {"tracking": {"mlflow": {"trackingUri": "http://mlflow"}}}, None, id="the tracking"
        ),
        pytest.param({"training": {"nodeSelector": {"gpu": "a"}}}, None, id="a node selector"),
        pytest.param({"training": {"resources": {"limits": {"memory": "9Gi"}}}}, None, id="memory"),
        pytest.param({"rollout": {"scaleDownDelay": "1m"}}, None, id="the rollout"),
        pytest.param({"serving": {"maxQueue": 9}}, None, id="a serving option"),
        pytest.param({"serving": {"replicas": {"min": 2, "max": 2}}}, None, id="replicas"),
        pytest.param({"history": {"succeeded": 2}}, None, id="the history"),
        pytest.param({"storage": {"uri": "pvc://models/elsewhere"}}, None, id="the storage"),
    ],
)
def test_change_starts_a_run_or_nothing(change: Mapping[str, Any], cause: str | None) -> None:
    settings = replace(SETTINGS, allowed_images=("registry/*",))
    world = served()
    world.settings = settings
    before = set(world.runs)
    world.change(**change)
    world.run_until("UpToDate")
    made = [run.meta() for name, run in world.runs.items() if name not in before]
    assert [meta.annotations[ANNOTATION_CAUSE] for meta in made] == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("change", "restarts"),
    [
        pytest.param({"maxQueue": 9}, 1, id="an option of the predictor"),
        pytest.param({"resources": {"limits": {"memory": "3Gi"}}}, 1, id="a memory limit"),
        pytest.param({"requestLog": {"sink": "http://log"}}, 1, id="a request log"),
        pytest.param({"replicas": {"min": 2, "max": 5}}, 0, id="bounds of the autoscaler"),
        pytest.param({"timeout": "1m"}, 0, id="the time that a request may take"),
    ],
)
def test_option_is_changed_in_place(change: Mapping[str, Any], restarts: int) -> None:
    world = served(serving={"replicas": {"min": 1, "max": 4}})
    serving = world.production["revision"]
    world.change(serving=change)
    world.run_until("UpToDate")
    assert world.production["revision"] == serving
    assert world.restarts == restarts
    service = world.services[world.service_of(world.production)]
    predictor = service.manifest["spec"]["predictor"]
    bounds = world.production["serving"]["replicas"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (bounds["min"], bounds["max"])
    assert world.writes["TrainingRun"] == 0


def test_request_log_comes_changes_and_goes_without_a_run_or_a_revision() -> None:
    world = served()
    serving, told = world.production["revision"], []
    for log in ({"sink": "http://log"}, {"sink": "http://log", "sample": "0.5"}, None):
        world.change(serving={"requestLog": log})
        world.run_until("UpToDate")
        service = world.services[world.service_of(world.production)]
        (container,) = service.manifest["spec"]["predictor"]["containers"]
        env = {entry["name"]: entry["value"] for entry in container["env"]}
        told.append(json.loads(env.get("MT_REQUEST_LOG", "{}")))
    assert [(one.get("mode"), one.get("sample")) for one in told] == [
        ("All", "1"),
        ("All", "0.5"),
        (None, None),
    ]
    assert world.production["revision"] == serving
    assert world.restarts == 3
    assert world.writes["TrainingRun"] == 0


def test_change_in_place_keeps_the_defaults_that_were_stored() -> None:
    world = served()
    world.settings = another()
    world.change(serving={"maxQueue": 9})
    world.run_until("UpToDate")
    assert world.production["serving"]["maxQueue"] == 9
    assert world.production["engine"]["image"] == IMAGES.predictor


def test_reuse_keeps_the_artifact_and_says_where_its_recipe_is_known() -> None:
    world = served()
    trained = world.production
    for beam in (1, 2):  # the second imports what the first imported
        world.change(serving={"beamSize": beam})
        world.run_until("UpToDate")
        assert world.production["artifact"]["digest"] == trained["artifact"]["digest"]
        run = world.runs[world.production["run"]]
        assert run.manifest["spec"]["import"] == {"uri": trained["artifact"]["uri"]}
        assert "training" not in run.manifest["spec"]
    world.change(training={"seed": 42})
    world.settle()
    assert len(world.runs) == 3


def test_judgement_that_production_passes_again_rolls_nothing_out() -> None:
    world = served()
    revision, first = world.production["revision"], world.production["run"]
    world.change(evaluation={"gates": [QUALITY, LEGAL]})
    world.run_until("UpToDate")
    assert world.production["revision"] == revision
    assert world.production["run"] != first
    assert world.writes == {"TrainingRun": 1, "status": 2}


def test_judgement_that_production_fails_leaves_it_serving() -> None:
    world = served()
    serving = world.production
    world.change(evaluation={"gates": [QUALITY | {"min": "90"}]})
    world.run_until("Degraded")
    assert world.production == serving
    assert world.condition("Ready") == "True"


def test_gate_edited_while_training_waits_for_the_artifact_and_reuses_it() -> None:
    world = upgraded()
    world.look()
    world.look()
    (training,) = set(world.runs) - {world.production["run"]}
    world.change(evaluation={"gates": [QUALITY, LEGAL]})
    world.run_until("UpToDate")
    assert "suspend" not in world.runs[training].manifest["spec"]
    judged = world.runs[world.production["run"]]
    assert judged.meta().annotations[ANNOTATION_CAUSE] == "Evaluation"
    assert len(world.runs) == 3


def test_gate_edited_while_a_training_fails_is_told_of_its_failure() -> None:
    world = upgraded()
    world.look()
    world.look()
    world.data_broken = True
    world.change(evaluation={"gates": [QUALITY, LEGAL]})
    world.run_until("Degraded")
    assert world.told("Degraded")["reason"] == "DataInvalid"


def test_loosened_gate_judges_a_rejected_artifact_again_without_training() -> None:
    world = upgraded()
    world.chrf = "38"
    world.run_until("Degraded")
    world.change(evaluation={"gates": [QUALITY | {"min": "35"}]})
    world.run_until("UpToDate")
    judged = world.runs[world.production["run"]]
    assert judged.meta().annotations[ANNOTATION_CAUSE] == "Evaluation"


def test_deleted_run_that_is_still_asked_for_is_made_again() -> None:
    world = upgraded()
    world.look()
    world.look()
    (name,) = set(world.runs) - {world.production["run"]}
    del world.runs[name]
    world.run_until("UpToDate")
    assert world.production["run"] == name


def test_deleted_run_of_production_starts_nothing() -> None:
    world = served()
    world.runs.clear()
    world.settle()
    assert world.writes == {}


def test_other_defaults_and_images_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = [_model(number) for number in range(20)]
    for name in ("TRAINING", "SERVING", "ENGINE", "EVALUATION", "ROLLOUT", "DATA"):
        monkeypatch.setattr(defaults, name, _shifted(getattr(defaults, name)))
    for world in worlds:
        world.settings = another()
        world.now += 60 * MINUTE
        world.settle()
        assert world.writes == {}
        assert world.restarts == 0


def _model(number: int) -> World:
    """Return one of many models, in production with options of its own."""
    options: list[dict[str, Any]] = [
        {},
        {"training": {"preset": "Base"}},
        {"serving": {"replicas": {"min": 1, "max": 3}, "beamSize": 2}},
        {"evaluation": {"confidence": "0.9"}, "serving": {"precision": "Auto"}},
    ]
    world = World(spec=merge(SPEC, options[number % 4] | {"training": {"seed": number}}))
    world.run_until("UpToDate")
    world.writes.clear()
    return world


def _shifted(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return other defaults of the same shape."""
    return {key: _other(value) for key, value in tree.items()}


def _other(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _shifted(value)
    return value + 1 if isinstance(value, int) and not isinstance(value, bool) else value


IMPORT: Mapping[str, Any] = {"candidate": True, "import": {"uri": "pvc://models/elsewhere"}}


def test_a_promotion_starts_no_run_that_would_begin_from_it() -> None:
    world = served(training={"warmStartFrom": "Production"})
    (first,) = world.runs.values()
    assert "parent" not in first.status["inputs"]  # there was no production yet
    world.change(training={"seed": 7})
    world.run_until("UpToDate")
    runs = dict(world.runs)
    parent = runs[world.production["run"]].status["inputs"]["parent"]
    assert parent["run"] == first.meta().name
    world.now += MINUTE
    world.run_until("UpToDate")
    assert set(world.runs) == set(runs)


def test_a_retrain_by_hand_begins_from_what_is_in_production_then() -> None:
    world = served(training={"warmStartFrom": "Production"})
    first = world.production["run"]
    world.ask("retrain", "again")
    world.run_until("UpToDate")
    assert world.production["run"] != first
    assert world.runs[world.production["run"]].status["inputs"]["parent"]["run"] == first


def test_a_model_made_elsewhere_is_rolled_out_like_any_other() -> None:
    world = served()
    world.create_run("from-elsewhere", IMPORT)
    world.run_until("UpToDate")
    assert world.production["run"] == "from-elsewhere"
    folder = world.runs["from-elsewhere"].status["inputs"]["folder"]
    assert world.production["artifact"]["uri"] == f"{folder}/model"


def test_a_model_made_elsewhere_that_fails_its_gates_is_not_rolled_out() -> None:
    world = served()
    before = world.production
    world.chrf = "12.0"
    world.create_run("from-elsewhere", IMPORT)
    world.settle()
    assert world.production == before
    assert world.runs["from-elsewhere"].status["evaluation"]["verdict"] == "Failed"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param({"training": {"seed": 7}}, "Spec", id="another recipe trains"),
        pytest.param({"serving": {"beamSize": 1}}, "Serving", id="another engine: own artifact"),
    ],
)
def test_a_model_made_elsewhere_answers_no_recipe(change: Mapping[str, Any], cause: str) -> None:
    world = served()
    first = world.production["run"]
    world.create_run("from-elsewhere", IMPORT)
    world.run_until("UpToDate")
    world.now += MINUTE
    world.change(**change)
    world.run_until("UpToDate")
    meta = world.runs[world.production["run"]].meta()
    assert meta.annotations[ANNOTATION_CAUSE] == cause
    assert meta.annotations.get("translation.kubeflow.org/source-run", first) == first


def test_several_nodes_leave_no_service_behind() -> None:
    world = served(training={"nodes": 2})
    world.settle()
    assert [run.links for run in world.runs.values()] == [{}]
    assert all(len(run.jobs) == 2 for run in world.runs.values())
