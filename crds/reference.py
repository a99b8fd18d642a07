"""Print docs/api-reference.md, made from the definitions and the defaults (`make docs`)."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mt_contract import defaults
from mt_contract.defaults import Tree, merge

CRDS = Path(__file__).parent
PAGE = CRDS.parent / "docs" / "api-reference.md"
DEFINITIONS = ("translationmodels", "trainingruns")
CHANGE = re.compile(r"\s*Change: (?P<change>[a-z -]+)\.$")
CHANGES = {
    "immutable": "refused",
    "retrain": "a new run trains; if it is blessed, it is rolled out",
    "re-evaluate": "the same model is evaluated anew, without training; if that makes another "
    "revision of it, that is rolled out",
    "re-judge": "the same model is judged by the new gates, without training; at once, where all "
    "that they ask for was measured before",
    "in place": "what runs is adjusted; no new revision",
    "nothing": "nothing starts; it counts from the next time on",
}
INTRODUCTION = """\
<!-- Made by `make docs` from crds/*.yaml and crds/mt_contract/defaults.py: edit those. -->
# API reference

Group `translation.kubeflow.org`, version `v1alpha1`. Scores, shares and thresholds are strings
(`"0.01"`), and so are durations (`30s`, `1h30m`). Defaults are filled in when a run or a revision
begins, and stored with it: another release's defaults change nothing that runs. The objects hold
what you wrote, and nothing else.

What a change of a field does:
"""


@dataclass(frozen=True)
class Row:
    """One field."""

    path: str
    schema: Tree
    required: bool
    change: str  # its own, or that of what it is part of


def default_tree() -> dict[str, Any]:
    """Return all defaults in the shape of a TranslationModel's spec."""
    preset = defaults.PRESETS[str(defaults.TRAINING["preset"])]
    training = merge(defaults.TRAINING, {"architecture": preset})
    return {
        "suspend": False,
        "serviceAccountName": defaults.SERVICE_ACCOUNT,
        "data": defaults.DATA,
        "training": merge(training, defaults.PLACEMENT),
        "evaluation": merge(defaults.EVALUATION, {"gates": [defaults.GATE]}),
        "serving": merge(defaults.SERVING, defaults.ENGINE)
        | {"requestLog": dict(defaults.REQUEST_LOG)},
        "rollout": defaults.ROLLOUT,
        "history": defaults.HISTORY,
    }


def schema_of(definition: str) -> dict[str, Any]:
    """Return the schema in ``crds/<definition>.yaml``."""
    crd = yaml.safe_load((CRDS / f"{definition}.yaml").read_text(encoding="utf-8"))
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema | {"title": crd["spec"]["names"]["kind"]}


def rows(schema: Tree, above: str = "", change: str = "") -> Iterator[Row]:
    """Yield a row for every field below ``schema``, depth first; ``[]`` stands for each entry."""
    required = schema.get("required", ())
    for key, below in schema.get("properties", {}).items():
        path = f"{above}.{key}".lstrip(".")
        found = CHANGE.search(below.get("description", ""))
        row = Row(path, below, key in required, found["change"] if found else change)
        yield row
        yield from rows(below, path, row.change)
        yield from rows(below.get("items", {}), f"{path}[]", row.change)


def type_of(schema: Tree) -> str:
    """Return a field's type in a few words, with its bounds."""
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "quantity")
    if kind == "array":
        return f"list of {type_of(schema['items'])}{_upto(schema, 'maxItems')}"
    if kind == "object" and "additionalProperties" in schema:
        return f"map of {type_of(schema['additionalProperties'])}{_upto(schema, 'maxProperties')}"
    if kind == "integer" and "maximum" in schema:
        return f"integer, {schema.get('minimum', 0)} to {schema['maximum']}"
    if schema.get("format") == "date-time":
        return "time"
    return "duration" if "ms|s|m|h|d" in schema.get("pattern", "") else kind


def _upto(schema: Tree, key: str) -> str:
    return f", at most {schema[key]}" if key in schema else ""


def default_of(path: str, tree: Any) -> str:
    """Return the default of the field at ``path`` as YAML shows it; nothing where it has none."""
    for key in path.split("."):
        name = key.removesuffix("[]")
        tree = tree.get(name) if isinstance(tree, Mapping) else None
        if key.endswith("[]"):
            tree = tree[0] if isinstance(tree, list) and tree else None
    if tree is None or (isinstance(tree, Mapping) and path not in WHOLE):
        return ""
    # Of objects, the fields have defaults; of gates, there is none but for a field of each.
    return "" if path == "evaluation.gates" else f"`{json.dumps(tree)}`".replace("|", "\\|")


WHOLE = frozenset({"serving.resources.requests", "serving.resources.limits"})


def spec_table(schema: Tree, tree: Tree) -> Iterator[str]:
    """Yield the lines of the table of spec."""
    yield "| field | type | default | what it is | a change |"
    yield "| --- | --- | --- | --- | --- |"
    spec = schema["properties"]["spec"]
    top = CHANGE.search(spec["description"])
    for row in rows(spec, change=top["change"] if top else ""):
        default = "*required*" if row.required else default_of(row.path, tree)
        cells = (f"`{row.path}`", type_of(row.schema), default, text_of(row.schema), row.change)
        yield f"| {' | '.join(cells)} |"


def status_table(schema: Tree) -> Iterator[str]:
    """Yield the lines of the table of status."""
    yield "| field | type | what it is |"
    yield "| --- | --- | --- |"
    for row in rows(schema["properties"]["status"]):
        yield f"| `{row.path}` | {type_of(row.schema)} | {text_of(row.schema)} |"


def text_of(schema: Tree) -> str:
    """Return a field's description, without what a change does."""
    return CHANGE.sub("", schema.get("description", "")).replace("|", "\\|")


def messages(schema: Tree) -> Iterator[str]:
    """Yield what the rules of a schema say, each once."""
    own = [rule["message"] for rule in schema.get("x-kubernetes-validations", ())]
    yield from (message for message in own if "is immutable" not in message)
    for below in [*schema.get("properties", {}).values(), schema.get("items")]:
        if below:
            yield from messages(below)


def page() -> str:
    """Return the whole page."""
    lines = [INTRODUCTION, "| | |", "| --- | --- |"]
    lines += [f"| {name} | {meaning} |" for name, meaning in CHANGES.items()]
    lines += ["", "Architectures by `training.preset`:", ""]
    sizes = list(next(iter(defaults.PRESETS.values())))
    lines += [f"| preset | {' | '.join(sizes)} |", "| --- |" + " --- |" * len(sizes)]
    for name, preset in defaults.PRESETS.items():
        lines.append(f"| {name} | {' | '.join(str(preset[size]) for size in sizes)} |")
    for definition in DEFINITIONS:
        schema = schema_of(definition)
        is_model = definition == DEFINITIONS[0]
        lines += ["", f"## {schema['title']}", "", schema["description"], "", "### spec", ""]
        lines += spec_table(schema, default_tree() if is_model else {"candidate": False})
        lines += ["", "What the API server says of specs that break a rule:", ""]
        lines += [f"- {message}" for message in dict.fromkeys(messages(schema))]
        lines += ["", "### status", "", *status_table(schema)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
