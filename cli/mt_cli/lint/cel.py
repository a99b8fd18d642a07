"""The rules (CEL) that a schema carries, evaluated as an API server evaluates them on creation.

What only concerns a change of an object (oldSelf) is left out, and so is a rule that this machine
cannot evaluate: both are counted, so that nobody takes silence for consent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cel

from mt_cli.lint.finding import Finding

Tree = Mapping[str, Any]
# Names of fields that CEL reserves; Kubernetes writes them between underscores.
RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for"),
        *("function", "if", "import", "let", "loop", "package", "namespace", "return", "var"),
        *("void", "while"),
    )
)


def is_sorted(items: Sequence[Any]) -> bool:
    """Return whether a list is sorted: one of the functions that Kubernetes adds to CEL."""
    return all(first <= second for first, second in pairwise(items))


def matches(text: str, pattern: str) -> bool:
    """Return whether ``text`` has a part that matches, in the dialect that API servers use."""
    return bool(_MATCHES.execute({"text": text, "pattern": pattern}))


_MATCHES = cel.compile("text.matches(pattern)")
_FUNCTIONS: dict[str, Callable[..., Any]] = {"isSorted": is_sorted}


@dataclass
class Rules:
    """Evaluates rules, each compiled once."""

    programs: dict[str, cel.Program] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    for_changes: set[str] = field(default_factory=set)  # need the object as it was
    failed: dict[str, str] = field(default_factory=dict)  # could not be evaluated, and why

    def broken(self, value: Any, schema: Tree, where: str) -> Iterator[Finding]:
        """Yield the rules of one node that its value breaks."""
        rules: Sequence[Tree] = schema.get("x-kubernetes-validations") or ()
        if not rules:
            return
        given = {"self": to_cel(value, schema)}
        for entry in rules:
            if not self._holds(entry["rule"], given):
                place = f"{where}{entry.get('fieldPath', '')}".lstrip(".")
                yield Finding(place, str(entry.get("message") or entry["rule"]), by="rule")

    def _holds(self, rule: str, given: dict[str, Any]) -> bool:
        if "oldSelf" in rule:
            self.for_changes.add(rule)
            return True
        try:
            if rule not in self.programs:
                self.programs[rule] = cel.compile(rule)
            result = self.programs[rule].execute(cel.Context(given, _FUNCTIONS))
        except (ValueError, TypeError, RuntimeError) as error:
            self.failed[rule] = str(error)
            return True
        self.checked.add(rule)
        return bool(result)


def to_cel(value: Any, schema: Tree) -> Any:
    """Return a value as CEL sees it; fields are named as Kubernetes names them there."""
    properties: Tree = schema.get("properties") or {}
    if isinstance(value, Mapping):
        entries = {}
        for key, item in value.items():
            if item is not None:
                name = f"__{key}__" if key in properties and key in RESERVED else key
                below = properties.get(key) or schema.get("additionalProperties") or {}
                entries[name] = to_cel(item, _tree(below))
        return entries
    if isinstance(value, list):
        below = _tree(schema.get("items"))
        return [to_cel(item, below) for item in value]
    return value


def _tree(value: Any) -> Tree:
    return value if isinstance(value, Mapping) else {}
