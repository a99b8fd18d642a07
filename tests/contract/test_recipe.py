"""Which edits ask for another training, and which do not; what another release changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_contract import defaults, recipe
from mt_contract.codec import from_json, to_json
from mt_contract.defaults import Images
from mt_contract.resource import Recipe

Tree = dict[str, Any]
IMAGES = Images(trainer="trainer:1", predictor="predictor:1")
NEXT_IMAGES = Images(trainer="trainer:2", predictor="predictor:2")
REMOVED = object()
MINIMAL: Tree = {
    "sourceLanguage": "pt",
    "targetLanguage": "en",
    "storage": {"uri": "pvc://models/pt-en"},
    "data": {"train": [{"uri": "pvc://c/train.tsv"}], "test": [{"uri": "pvc://c/test.tsv"}]},
    "evaluation": {"gates": [{"name": "quality", "metric": "chrF", "min": "40"}]},
}


def edited(spec: Mapping[str, Any], edits: Mapping[str, Any]) -> Tree:
    """Return ``spec`` with values set (or REMOVED) at dotted paths."""
    result = dict(spec)
    for path, value in edits.items():
        head, _, rest = path.partition(".")
        if rest:
            result[head] = edited(result.get(head, {}), {rest: value})
        elif value is REMOVED:
            result.pop(head)
        else:
            result[head] = value
    return result


def same(before: Tree, after: Tree, images: Images = IMAGES) -> bool:
    """Return whether ``after`` asks for the recipe that ``before`` was stored as."""
    stored = recipe.resolved(before, IMAGES)
    return recipe.unchanged(after, before, stored, images)


FULL = edited(
    MINIMAL,
    {
        "training.preset": "Base",
        "training.seed": 7,
        "training.image": "own:1",
        "training.budget.earlyStopping": {"metric": "loss", "patience": 5},
        "training.optimizer.learningRate": "0.002",
        "training.architecture.dropout": "0.3",
        "training.nodes": 2,
        "data.checks.maxDivergence": "0.2",
    },
)


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"training.seed": 42}, id="the default seed written out"),
        pytest.param({"training.preset": "Tutorial"}, id="the default preset written out"),
        pytest.param({"training.architecture.layers": 4}, id="a size of the preset written out"),
        pytest.param({"training.image": "trainer:1"}, id="the default image written out"),
        pytest.param({"data.checks.minPairs": 1000}, id="a default check written out"),
        pytest.param({"data.validation": []}, id="the default validation written out"),
        pytest.param({"training": {}}, id="an empty training"),
        pytest.param({"training.nodes": 2}, id="nodes"),
        pytest.param({"training.resources": {"limits": {"memory": "4Gi"}}}, id="resources"),
        pytest.param({"training.queueName": "mt"}, id="queue"),
        pytest.param({"training.env": [{"name": "A", "value": "1"}]}, id="environment"),
        pytest.param({"data.test": [{"uri": "pvc://c/other.tsv"}]}, id="test data"),
        pytest.param({"evaluation.gates": []}, id="gates"),
        pytest.param({"serving.beamSize": 1}, id="beam size"),
        pytest.param({"serving.replicas": {"max": 9}}, id="replicas"),
        pytest.param({"storage.uri": "pvc://other"}, id="storage"),
        pytest.param({"suspend": True}, id="suspend"),
    ],
)
def test_an_edit_that_trains_nothing(edits: Tree) -> None:
    assert same(MINIMAL, edited(MINIMAL, edits))
    assert same(edited(MINIMAL, edits), MINIMAL)


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param({"sourceLanguage": "es"}, id="language"),
        pytest.param({"data.train": [{"uri": "pvc://c/more.tsv"}]}, id="training data"),
        pytest.param({"data.validation": [{"uri": "pvc://c/v.tsv"}]}, id="validation data"),
        pytest.param({"data.format": "TSV"}, id="format"),
        pytest.param({"data.fields.source": "pt"}, id="column"),
        pytest.param({"data.checks.minPairs": 10}, id="check"),
        pytest.param({"data.checks.maxDivergence": "0.2"}, id="check without a default"),
        pytest.param({"training.preset": "Base"}, id="preset"),
        pytest.param({"training.architecture.layers": 2}, id="layers"),
        pytest.param({"training.architecture.dropout": "0"}, id="dropout"),
        pytest.param({"training.vocabulary.size": 4000}, id="vocabulary"),
        pytest.param({"training.optimizer.learningRate": "0.002"}, id="learning rate"),
        pytest.param({"training.budget.maxEpochs": 1}, id="budget"),
        pytest.param(
            {"training.budget.earlyStopping": {"metric": "loss", "patience": 5}},
            id="early stopping",
        ),
        pytest.param({"training.precision": "Float32"}, id="precision"),
        pytest.param({"training.warmStartFrom": "Production"}, id="warm start"),
        pytest.param({"training.seed": 1}, id="seed"),
        pytest.param({"training.image": "own:1"}, id="image"),
    ],
)
def test_an_edit_that_trains_and_its_revert(edits: Tree) -> None:
    after = edited(MINIMAL, edits)
    assert not same(MINIMAL, after)
    assert not same(after, MINIMAL)
    assert same(after, after)


def test_a_preset_brings_its_sizes_except_those_that_are_written() -> None:
    before = edited(MINIMAL, {"training.architecture": {"heads": 4, "dropout": "0.3"}})
    after = edited(before, {"training.preset": "Base", "training.architecture.dropout": REMOVED})
    carried = recipe.carried(after, before, recipe.resolved(before, IMAGES), IMAGES)
    assert carried["training"]["architecture"] == dict(defaults.PRESETS["Base"]) | {
        "heads": 4,
        "dropout": "0.1",
        "maxTokens": 128,
    }


def later_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every default of the recipe another one, and add a field that has one."""

    def other(tree: Mapping[str, Any], key: str = "") -> Any:
        if isinstance(tree, Mapping):
            return {name: other(value, name) for name, value in tree.items()}
        return {str: "0.7", int: 77, bool: False}.get(type(tree), tree)

    training = other(defaults.TRAINING) | {"preset": "Tutorial", "newSection": {"newField": 1}}
    training["optimizer"]["newField"] = "0.5"
    data = other(defaults.DATA) | {"format": "JSONL"}
    presets = {name: other(preset) for name, preset in defaults.PRESETS.items()}
    monkeypatch.setattr(defaults, "TRAINING", training)
    monkeypatch.setattr(defaults, "DATA", data)
    monkeypatch.setattr(defaults, "PRESETS", presets)


@pytest.mark.parametrize("spec", [MINIMAL, FULL], ids=["minimal", "full"])
def test_another_release_trains_nothing(spec: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = recipe.resolved(spec, IMAGES)
    later_release(monkeypatch)
    assert recipe.resolved(spec, NEXT_IMAGES) != stored
    assert recipe.unchanged(spec, spec, stored, NEXT_IMAGES)
    assert recipe.carried(spec, spec, stored, NEXT_IMAGES) == stored
    placed = edited(spec, {"training.queueName": "other", "serving.beamSize": 2})
    assert recipe.unchanged(placed, spec, stored, NEXT_IMAGES)


def test_with_another_release_an_edit_changes_only_what_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = recipe.resolved(FULL, IMAGES)
    later_release(monkeypatch)
    after = edited(FULL, {"training.seed": 8, "training.optimizer.learningRate": REMOVED})
    carried = recipe.carried(after, FULL, stored, NEXT_IMAGES)
    training = carried["training"]
    assert training.pop("newSection") == {"newField": 1}  # its trainer may need it
    assert training["optimizer"].pop("newField") == "0.5"
    expected = edited(
        stored,
        {
            "training.seed": 8,
            "training.optimizer.learningRate": "0.7",  # no longer written: today's default
        },
    )
    assert carried == expected


def test_the_stored_recipe_is_what_a_trainer_decodes() -> None:
    for spec in (MINIMAL, FULL):
        decoded = from_json(Recipe, recipe.resolved(spec, IMAGES))
        assert decoded.training.seed == recipe.resolved(spec, IMAGES)["training"]["seed"]
        assert from_json(Recipe, to_json(decoded)) == decoded


leaves = {
    "training.seed": st.integers(0, 3),
    "training.image": st.sampled_from(["own:1", "own:2"]),
    "training.preset": st.sampled_from(list(defaults.PRESETS)),
    "training.architecture.layers": st.integers(1, 3),
    "training.architecture.dropout": st.sampled_from(["0", "0.2"]),
    "training.budget.earlyStopping": st.just({"metric": "loss", "patience": 2}),
    "data.checks.minPairs": st.integers(1, 3),
    "data.fields.source": st.sampled_from(["a", "b"]),
    "training.nodes": st.integers(1, 2),
    "serving.beamSize": st.integers(1, 2),
}
specs = st.fixed_dictionaries({}, optional=leaves).map(lambda edits: edited(MINIMAL, edits))


@given(before=specs, after=specs)
def test_within_a_release_recipes_are_the_same_where_they_resolve_to_the_same(
    before: Tree, after: Tree
) -> None:
    stored = recipe.resolved(before, IMAGES)
    carried = recipe.carried(after, before, stored, IMAGES)
    assert carried == recipe.resolved(after, IMAGES)
    assert same(before, after) == (stored == recipe.resolved(after, IMAGES))


@given(first=specs, second=specs)
def test_a_revert_asks_for_the_first_recipe_again(first: Tree, second: Tree) -> None:
    stored = recipe.resolved(first, IMAGES)
    carried = recipe.carried(second, first, stored, NEXT_IMAGES)
    back = recipe.carried(first, second, carried, NEXT_IMAGES)
    back["training"].pop("image"), stored["training"].pop("image")
    assert back == stored


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    resolved = recipe.resolved(MINIMAL, IMAGES)
    backwards = dict(reversed(resolved.items()))
    assert recipe.recipe_digest(resolved) == recipe.recipe_digest(backwards)
