"""A value against a structural schema: types, bounds, patterns, lists, fields that do not exist.

Rules (CEL) are asked where everything below them is in order, as an API server does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from mt_cli.lint.cel import Rules, matches
from mt_cli.lint.finding import Finding

Tree = Mapping[str, Any]
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}


@dataclass
class Validator:
    """Validates objects of one kind; remembers which rules it could not check."""

    schema: Tree
    rules: Rules = field(default_factory=Rules)

    def findings(self, value: Tree) -> list[Finding]:
        """Return what is wrong with a whole object."""
        return self._node(value, self.schema, "")

    def _node(self, value: Any, schema: Tree, where: str) -> list[Finding]:
        if schema.get("x-kubernetes-int-or-string"):
            good = _TYPES["integer"](value) or isinstance(value, str)
            wrong = [] if good else [Finding(where, "must be a whole number or a text")]
        else:
            wrong = _type(value, schema, where)
        if wrong:
            return wrong
        found = list(_bounds(value, schema, where))
        if isinstance(value, Mapping):
            found += self._object(value, schema, where)
        elif isinstance(value, list):
            found += _list(value, schema, where)
            for number, item in enumerate(value):
                found += self._node(item, schema.get("items") or {}, f"{where}[{number}]")
        return found or list(self.rules.broken(value, schema, where))

    def _object(self, value: Tree, schema: Tree, where: str) -> list[Finding]:
        properties: Tree = schema.get("properties") or {}
        # An API server drops a null where the field does not take one.
        given = {key: item for key, item in value.items() if item is not None}
        found = [
            Finding(_below(where, key), "is required, and missing")
            for key in schema.get("required") or ()
            if key not in given
        ]
        if len(given) > schema.get("maxProperties", len(given)):
            found.append(Finding(where, f"must have at most {schema['maxProperties']} entries"))
        others = schema.get("additionalProperties")
        closed = bool(properties) and not others
        for key, item in given.items():
            here = _below(where, key)
            if key in properties:
                found += self._node(item, properties[key], here)
            elif isinstance(others, Mapping):
                found += self._node(item, others, here)
            elif closed and not schema.get("x-kubernetes-preserve-unknown-fields"):
                found.append(Finding(here, _unknown(key, list(properties))))
        return found


def _unknown(key: str, known: list[str]) -> str:
    close = get_close_matches(key, known, n=1)
    if close:
        return f"there is no such field: {close[0]} is meant?"
    if key in ("true", "false"):
        return "there is no such field: YAML reads a bare on, off, yes or no so; write it in quotes"
    return f"there is no such field; there are: {', '.join(sorted(known))}"


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _type(value: Any, schema: Tree, where: str) -> list[Finding]:
    kind = schema.get("type")
    if kind is None or _TYPES[kind](value):
        return []
    hint = ""
    if kind == "string" and isinstance(value, (int, float, bool)):
        hint = f': write it in quotes, "{str(value).lower()}"'
    article = "an" if kind[0] in "aio" else "a"
    return [Finding(where, f"must be {article} {kind}{hint}")]


def _bounds(value: Any, schema: Tree, where: str) -> Iterator[Finding]:
    choices = schema.get("enum")
    if choices is not None and value not in choices:
        yield Finding(where, f"{value!r} is none of: {', '.join(str(c) for c in choices)}")
    if isinstance(value, str):
        yield from _text(value, schema, where)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            yield Finding(where, f"{value} is below {schema['minimum']}, the least it may be")
        if value > schema.get("maximum", value):
            yield Finding(where, f"{value} is above {schema['maximum']}, the most it may be")
        if "multipleOf" in schema and value % schema["multipleOf"]:
            yield Finding(where, f"{value} is no multiple of {schema['multipleOf']}")


def _text(value: str, schema: Tree, where: str) -> Iterator[Finding]:
    if len(value) > schema.get("maxLength", len(value)):
        yield Finding(where, f"is longer than {schema['maxLength']} characters")
    if len(value) < schema.get("minLength", 0):
        yield Finding(where, f"is shorter than {schema['minLength']} characters")
    pattern = schema.get("pattern")
    if pattern is not None and not matches(value, pattern):
        yield Finding(where, f"{value!r} does not match {pattern}")


def _list(value: list[Any], schema: Tree, where: str) -> Iterator[Finding]:
    if len(value) > schema.get("maxItems", len(value)):
        yield Finding(where, f"must have at most {schema['maxItems']} entries")
    if len(value) < schema.get("minItems", 0):
        yield Finding(where, f"must have at least {schema['minItems']} entries")
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys", [])
    seen: list[Any] = []
    for number, item in enumerate(value):
        mark = item
        if kind == "map":
            mark = [item.get(key) for key in keys] if isinstance(item, Mapping) else None
        if kind in ("map", "set") and mark is not None and mark in seen:
            told = " and ".join(keys) or "value"
            yield Finding(f"{where}[{number}]", f"repeats the {told} of another entry")
        seen.append(mark)
