"""What a spec is resolved to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mt_contract import defaults
from mt_contract.codec import from_json
from mt_contract.defaults import Images
from mt_contract.resource import ModelSpec, Pause, Step

IMAGES = Images(trainer="trainer:1", predictor="predictor:1")
MINIMAL: dict[str, Any] = {
    "sourceLanguage": "pt",
    "targetLanguage": "en",
    "storage": {"uri": "pvc://models/pt-en"},
    "data": {"train": [{"uri": "pvc://c/train.tsv"}], "test": [{"uri": "pvc://c/test.tsv"}]},
    "evaluation": {"gates": [{"name": "quality", "metric": "chrF", "min": "40"}]},
}


def model(**spec: Any) -> ModelSpec:
    return from_json(ModelSpec, defaults.resolve(MINIMAL | spec, IMAGES))


def test_the_smallest_spec_is_complete_once_resolved() -> None:
    spec = model()
    assert (spec.training.preset, spec.training.image) == ("Tutorial", "trainer:1")
    assert (spec.engine.engine, spec.engine.image) == ("CTranslate2", "predictor:1")
    assert (spec.placement.nodes, spec.placement.backoff_limit) == (1, 3)
    assert spec.rollout.steps[:2] == (Step(set_weight=10), Step(pause=Pause(timedelta(minutes=5))))
    assert (spec.history.succeeded, spec.service_account_name, spec.suspend) == (
        5,
        "default",
        False,
    )


@pytest.mark.parametrize("preset", list(defaults.PRESETS))
def test_a_preset_gives_the_sizes(preset: str) -> None:
    architecture = defaults.resolve_training({"preset": preset}, "i")["architecture"]
    assert (
        defaults.pick(architecture, frozenset(defaults.PRESETS[preset]))
        == (defaults.PRESETS[preset])
    )
    assert architecture["dropout"] == "0.1"


def test_what_is_written_wins_over_preset_and_default() -> None:
    spec = model(
        training={"preset": "Base", "architecture": {"heads": 4}, "seed": 1, "nodes": 2},
        serving={"precision": "Float32", "maxQueue": 9, "replicas": {"max": 3}},
    )
    architecture = spec.training.architecture
    assert (architecture.heads, architecture.model_dimension) == (4, 512)
    assert (spec.training.seed, spec.placement.nodes) == (1, 2)
    assert (spec.engine.precision, spec.engine.beam_size) == ("Float32", 4)
    assert (spec.serving.max_queue, spec.serving.replicas.max) == (9, 3)
    assert spec.serving.replicas.min == 1


def test_lists_are_replaced_not_merged() -> None:
    spec = model(rollout={"steps": [{"setWeight": 100}]})
    assert spec.rollout.steps == (Step(set_weight=100),)
    assert spec.rollout.approval == "Automatic"


@pytest.mark.parametrize("key", ["engine", "precision"])
def test_auto_is_decided(key: str) -> None:
    assert defaults.resolve_engine({key: "Auto"}, IMAGES) == defaults.resolve_engine({}, IMAGES)


@pytest.mark.parametrize(
    ("written", "precision", "image"),
    [
        pytest.param({"engine": "TensorFlow"}, "Float32", "tensorflow:1", id="its own defaults"),
        pytest.param(
            {"engine": "TensorFlow", "precision": "Auto"}, "Float32", "tensorflow:1", id="Auto"
        ),
        pytest.param({"engine": "TensorFlow", "image": "a:1"}, "Float32", "a:1", id="an image"),
        pytest.param({"engine": "CTranslate2"}, "Int8", "predictor:1", id="the other engine"),
    ],
)
def test_an_engine_has_its_own_precision_and_image(
    written: dict[str, Any], precision: str, image: str
) -> None:
    images = Images("trainer:1", "predictor:1", "tensorflow:1")
    engine = defaults.resolve_engine(written, images)
    assert (engine["precision"], engine["image"]) == (precision, image)


def test_resolving_changes_neither_the_spec_nor_the_defaults() -> None:
    before = repr((MINIMAL, defaults.TRAINING, defaults.SERVING, defaults.DATA))
    resolved = defaults.resolve(MINIMAL, IMAGES)
    resolved["training"]["architecture"]["layers"] = 99
    resolved["data"]["checks"]["minPairs"] = 99
    assert repr((MINIMAL, defaults.TRAINING, defaults.SERVING, defaults.DATA)) == before
