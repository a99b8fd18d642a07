"""Every field of both resources against a real API server: valid, boundary, invalid, removed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.crds import tables
from tests.crds.apiserver import Api
from tests.crds.cases import (
    FULL_MODEL,
    FULL_RUN,
    IMPORTING_RUN,
    MINIMAL_MODEL,
    REMOVED,
    Field,
    Tree,
    at,
    edited,
    paths,
)

pytestmark = pytest.mark.apiserver
CRDS = Path(__file__).parents[2] / "crds"
TABLES = {
    "model": (FULL_MODEL, tables.MODEL),
    "run": (FULL_RUN, tables.RUN),
    "import": (IMPORTING_RUN, tables.IMPORT),
}


def lines() -> Iterator[tuple[str, Tree, Field]]:
    for name, (document, fields) in TABLES.items():
        for field in fields:
            yield name, document, field


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}... ({len(text)})"


def good() -> Iterable[Any]:
    for name, document, field in lines():
        for value in field.good:
            edits = dict(field.also) | {field.path: value}
            yield pytest.param(document, edits, id=f"{name} {field.path} = {shown(value)}")


def bad() -> Iterable[Any]:
    for name, document, field in lines():
        for value, message in field.bad:
            edits = dict(field.also) | {field.path: value}
            case = f"{name} {field.path} = {shown(value)}"
            yield pytest.param(document, edits, field.path, message, id=case)


@pytest.mark.parametrize(("document", "edits"), list(good()))
def test_a_good_value_is_accepted(api: Api, document: Tree, edits: Tree) -> None:
    assert api.create(edited(document, edits)).message == ""


@pytest.mark.parametrize(("document", "edits", "path", "message"), list(bad()))
def test_a_bad_value_is_refused_with_its_path(
    api: Api, document: Tree, edits: Tree, path: str, message: str
) -> None:
    answer = api.create(edited(document, edits))
    assert answer.status == 422, answer.message or "it was accepted"
    assert f"spec.{path}" in answer.message
    assert message in answer.message


# What cannot be taken out of the full samples, by pattern of its path. All the rest can.
NEEDED = {
    r"(source|target)Language|storage|data|data\.(train|test)|evaluation|evaluation\.gates": {
        "model": "Required value"
    },
    r"storage\.uri|.*\[\d\]\.(uri|metric|receiver)|modelRef\.name|import\.uri": "Required value",
    r"(?!retrain).*\[\d\]\.name": "Required value",
    r"training\.budget\.earlyStopping\.(metric|patience)": "Required value",
    r".*KeyRef\.(name|key)|.*(secretRef|configMapRef)\.name": "Required value",
    r"tracking\.(mlflow\.trackingUri|modelRegistry\.url)": "Required value",
    r"serving\.requestLog\.sink": "Required value",
    r"retrain\.schedule\.cron|retrain\.onDataChange\.pollInterval": "Required value",
    r"retrain\.onDrift\.(threshold|window)|retrain\.onQuality\.(data|cron|gates)": "Required value",
    r"rollout\.analysis\.syntheticTraffic\.requestsPerSecond": "Required value",
    r"training\.env\[0\]\.value|training\.env\[[12]\]\.valueFrom": "give either value or valueFrom",
    r".*valueFrom\.(secret|configMap)KeyRef": "give either secretKeyRef or configMapKeyRef",
    r"training\.envFrom\[\d\]\.(secretRef|configMapRef)": "give either secretRef or configMapRef",
    r"evaluation\.gates\[(0|2)\]\.min|evaluation\.gates\[1\]\.minDelta": "a gate needs a bound",
    r"serving\.replicas\.max": "give max as well",
    r"rollout\.steps\[\d\]\.(setWeight|pause)": "a step is either setWeight or pause",
    r"rollout\.analysis\.metrics\[\d\]\.(builtin|query)": "give either builtin or query",
    r"rollout\.analysis\.metrics\[0\]\.max": "a metric needs a bound",
    r"rollout\.analysis\.metrics\[1\]\.maxRatio": "a metric needs a bound",
    r"alerts\[0\]\.on": 'write "on" in quotes',
    r"modelRef": {"run": "add modelRef", "import": "without modelRef"},
    r"import": {"import": ""},
}


def needed(name: str, path: str) -> str:
    """Return what is said where ``path`` is missing; nothing where it may be."""
    for pattern, message in NEEDED.items():
        if re.fullmatch(pattern, path):
            return message if isinstance(message, str) else message.get(name, "")
    return ""


def removals() -> Iterable[Any]:
    for name, (document, _) in TABLES.items():
        for path in paths(document["spec"]):
            if not path.endswith(("]", "/gpu")):  # the key of a resource has dots of its own
                yield pytest.param(document, path, needed(name, path), id=f"{name} {path} removed")


@pytest.mark.parametrize(("document", "path", "message"), list(removals()))
def test_a_field_may_be_left_out_or_is_asked_for(
    api: Api, document: Tree, path: str, message: str
) -> None:
    answer = api.create(at(document, f"spec.{path}", REMOVED))
    assert answer.accepted == (not message), answer.message
    assert message in answer.message


def leaves(schema: Tree, above: str = "") -> Iterator[str]:
    """Yield the path of every field of a schema that holds a value, lists gone through."""
    for key, below in schema.get("properties", {}).items():
        path = f"{above}.{key}".lstrip(".")
        if "items" in below:
            yield path
            below, path = below["items"], f"{path}[]"
        if "properties" in below:
            yield from leaves(below, path)
        elif not path.endswith("[]"):
            yield path


@pytest.mark.parametrize(
    ("definition", "names"),
    [("translationmodels", ["model"]), ("trainingruns", ["run", "import"])],
)
def test_no_field_is_missing_from_the_tables(definition: str, names: list[str]) -> None:
    crd = yaml.safe_load((CRDS / f"{definition}.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    fields = [field for name in names for field in TABLES[name][1]]
    accepted = {re.sub(r"\d", "", field.path) for field in fields if field.good}
    refused = {re.sub(r"\d", "", field.path) for field in fields if field.bad}
    assert set(leaves(schema)) - accepted & refused == set()


def test_the_full_sample_has_every_field() -> None:
    crd = yaml.safe_load((CRDS / "translationmodels.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    present = {re.sub(r"\d+", "", path) for path in paths(FULL_MODEL["spec"])}
    # Of either of two, the sample has one: targetUri belongs to another format.
    assert {p for p in leaves(schema) if "targetUri" not in p} - present == set()


@pytest.mark.parametrize("document", [MINIMAL_MODEL, FULL_MODEL, FULL_RUN, IMPORTING_RUN])
def test_what_the_tables_start_from_is_accepted(api: Api, document: Tree) -> None:
    assert api.create(document).message == ""


def test_the_smallest_model_is_about_fifteen_lines() -> None:
    lines = (CRDS.parent / "manifests/samples/pt-en-minimal.yaml").read_text().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) <= 15
