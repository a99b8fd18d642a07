"""The schema of the definitions, the views that decode them, and the defaults: one API."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

import jsonschema
import pytest
import yaml

import reference
from mt_contract import defaults, recipe, resource
from mt_contract.codec import camel, from_json, to_json
from mt_contract.defaults import ENGINE_KEYS, PLACEMENT_KEYS, Images

Tree = dict[str, Any]
MODEL = reference.schema_of("translationmodels")
RUN = reference.schema_of("trainingruns")
MODEL_SPEC, RUN_SPEC = MODEL["properties"]["spec"], RUN["properties"]["spec"]
IMAGES = Images("registry/trainer:1", "registry/predictor:1")
SAMPLES = reference.CRDS.parent / "manifests" / "samples"

# Fields that no view decodes: this release answers them with NotSupportedYet, by their keys.
LATER = {
    "model": {"retrain", "alerts"},
    "run": {"modelRef"},
}


def part(schema: Tree, keys: frozenset[str], inside: bool) -> Tree:
    kept = {k: v for k, v in schema["properties"].items() if (k in keys) == inside}
    return schema | {"properties": kept}


def resolved_shape(spec: Tree, kind: str) -> Tree:
    """Return the schema of a resolved spec: recipe and placement, engine and options apart."""
    below = dict(spec["properties"])
    training, serving = below["training"], below["serving"]
    below["training"] = part(training, PLACEMENT_KEYS, inside=False)
    below["placement"] = part(training, PLACEMENT_KEYS, inside=True)
    below["engine"] = part(serving, ENGINE_KEYS, inside=True)
    below["serving"] = part(serving, ENGINE_KEYS, inside=False)
    if kind == "run":
        below.pop("serving")  # a run's serving is its engine
        below["model"] = below["modelRef"]["properties"]["name"]
    kept = {k: v for k, v in below.items() if k not in LATER[kind]}
    return spec | {"properties": kept}


def views(cls: Any, schema: Tree, path: str) -> Iterator[tuple[str, Any, Tree]]:
    """Yield every dataclass below ``cls`` with the schema of what it decodes."""
    yield path, cls, schema
    hints = get_type_hints(cls)
    for field in fields(cls):
        kind, below = hints[field.name], schema["properties"].get(camel(field.name), {})
        if get_origin(kind) in (Union, types.UnionType):
            kind = next(a for a in get_args(kind) if a is not type(None))
        if get_origin(kind) is tuple:
            kind, below = get_args(kind)[0], below.get("items", {})
        if is_dataclass(kind):
            yield from views(kind, below, f"{path}.{camel(field.name)}")


VIEWS = [
    *views(resource.ModelSpec, resolved_shape(MODEL_SPEC, "model"), "model"),
    *views(resource.RunSpec, resolved_shape(RUN_SPEC, "run"), "run"),
]
RESOLVED = defaults.resolve(
    {"rollout": {"analysis": {}}, "serving": {"requestLog": {}}}, IMAGES
)  # with all that is off unless asked
# data.test's entries are of the same view as data.train's, which have no slice.
SHARED_VIEWS = {"train": {"slice"}, "validation": {"slice"}}


@pytest.mark.parametrize(("path", "cls", "schema"), VIEWS, ids=[path for path, *_ in VIEWS])
def test_a_view_has_the_fields_of_the_schema(path: str, cls: Any, schema: Tree) -> None:
    names = {camel(field.name) for field in fields(cls)}
    assert names - set(schema["properties"]) == SHARED_VIEWS.get(path.split(".")[-1], set())
    assert set(schema["properties"]) - names == set()


def default_at(path: str, tree: Any = RESOLVED) -> Any:
    for key in path.split(".")[1:]:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


@pytest.mark.parametrize(("path", "cls", "schema"), VIEWS, ids=[path for path, *_ in VIEWS])
def test_a_field_is_required_has_a_default_or_may_be_none(
    path: str, cls: Any, schema: Tree
) -> None:
    hints = get_type_hints(cls)
    for field in fields(cls):
        key = camel(field.name)
        demanded = field.default is MISSING and field.default_factory is MISSING
        promised = key in schema.get("required", ()) or default_at(f"{path}.{key}") is not None
        optional = type(None) in get_args(hints[field.name])
        # A run's languages, storage and data come from its model, or from its rules.
        completed = path == "run" or path.startswith(("run.data", "run.evaluation", "run.storage"))
        assert not demanded or promised or optional or completed, f"{path}.{key}"


def test_defaults_of_views_are_those_of_the_module() -> None:
    assert to_json(resource.Fields()) == defaults.DATA["fields"]
    placement = to_json(resource.Placement())
    assert {key: placement[key] for key in defaults.PLACEMENT} == defaults.PLACEMENT
    assert to_json(resource.Gate("g", "chrF"))["minExamples"] == defaults.GATE["minExamples"]


def strict(schema: Any) -> Any:
    """Return ``schema`` for a validator that knows nothing of pruning: unknown keys are errors."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: strict(value) for key, value in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict):
        result["additionalProperties"] = False
    return result


def without_required(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: without_required(v) for k, v in schema.items() if k != "required"}
    return schema


def test_every_default_is_a_value_that_users_could_write() -> None:
    tree = reference.default_tree()
    jsonschema.validate(tree, strict(without_required(MODEL_SPEC)))
    with pytest.raises(jsonschema.ValidationError):  # the validator would say so
        jsonschema.validate(tree | {"suspended": False}, strict(without_required(MODEL_SPEC)))


@pytest.mark.parametrize("preset", list(defaults.PRESETS))
def test_presets_are_those_of_the_schema_and_valid(preset: str) -> None:
    training = MODEL_SPEC["properties"]["training"]["properties"]
    assert training["preset"]["enum"] == list(defaults.PRESETS)
    jsonschema.validate(dict(defaults.PRESETS[preset]), strict(training["architecture"]))
    assert defaults.PRESETS[preset]["modelDimension"] % defaults.PRESETS[preset]["heads"] == 0


MODELS = sorted(path.stem for path in SAMPLES.glob("pt-en*.yaml"))


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_is_decoded_and_resolves_to_what_could_be_written(name: str) -> None:
    spec = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())["spec"]
    jsonschema.validate(spec, strict(MODEL_SPEC))
    resolved = defaults.resolve(spec, IMAGES)
    decoded = from_json(resource.ModelSpec, resolved)
    written = to_json(decoded)
    written["training"] |= written.pop("placement")
    written["serving"] |= written.pop("engine")
    jsonschema.validate(written, strict(MODEL_SPEC))
    assert decoded.training == from_json(resource.Recipe, recipe.resolved(spec, IMAGES)).training


def bare(schema: Any) -> Any:
    """Return a schema without what may differ between both definitions."""
    if isinstance(schema, list):
        return [bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: bare(value) for key, value in schema.items() if key != "description"}
    if isinstance(schema.get("description"), str):
        result["description"] = reference.CHANGE.sub("", schema["description"])
    return result


@pytest.mark.parametrize(
    ("field", "differs"),
    [
        ("sourceLanguage", {"x-kubernetes-validations"}),
        ("targetLanguage", {"x-kubernetes-validations"}),
        ("serviceAccountName", {"description"}),
        ("storage", set()),
        ("data", {"required"}),
        ("training", set()),
        ("evaluation", {"required"}),
        ("tracking", set()),
    ],
)
def test_what_both_definitions_have_is_equal(field: str, differs: set[str]) -> None:
    model, run = bare(MODEL_SPEC["properties"][field]), bare(RUN_SPEC["properties"][field])
    assert {key for key in model.keys() | run.keys() if model.get(key) != run.get(key)} == differs


def test_a_runs_serving_is_the_engine_of_a_models() -> None:
    model, run = (s["properties"]["serving"]["properties"] for s in (MODEL_SPEC, RUN_SPEC))
    assert set(run) == ENGINE_KEYS
    assert all(bare(run[key]) == bare(model[key]) for key in run)


def test_conditions_are_alike() -> None:
    model, run = (s["properties"]["status"]["properties"]["conditions"] for s in (MODEL, RUN))
    assert model == run
    view = {camel(field.name) for field in fields(resource.Condition)}
    assert view == set(model["items"]["properties"])


@pytest.mark.parametrize(("name", "schema"), [("model", MODEL), ("run", RUN)])
def test_every_field_says_what_a_change_does(name: str, schema: Tree) -> None:
    spec = schema["properties"]["spec"]
    top = reference.CHANGE.search(spec["description"])
    rows = list(reference.rows(spec, change=top["change"] if top else ""))
    assert len(rows) > 100
    assert {row.path: row.change for row in rows if row.change not in reference.CHANGES} == {}


def test_what_a_change_does_is_what_the_recipe_says() -> None:
    """A field is marked "retrain" exactly if it is part of the recipe."""
    spec = yaml.safe_load((SAMPLES / "pt-en-full.yaml").read_text())["spec"]
    in_recipe = set(paths(recipe.written(spec)))
    for row in reference.rows(MODEL_SPEC):
        leaf = not {"properties", "items"} & row.schema.keys()
        if leaf and "targetUri" not in row.path and not row.path.endswith("Language"):
            assert (row.change == "retrain") == (row.path in in_recipe), row.path


def paths(tree: Any, above: str = "") -> Iterator[str]:
    for key, value in tree.items():
        path = f"{above}.{key}".lstrip(".")
        yield path
        for below in value if isinstance(value, list) else [value]:
            if isinstance(below, dict):
                yield from paths(below, f"{path}[]" if isinstance(value, list) else path)


def test_the_reference_is_up_to_date() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run `make docs`"


def test_the_reference_names_every_field_default_and_message() -> None:
    page = reference.page()
    for schema in (MODEL, RUN):
        for row in reference.rows(schema["properties"]["spec"]):
            assert f"| `{row.path}` |" in page
    assert '`"0.001"`' in page
    assert not re.search(r"Change: ", page)
