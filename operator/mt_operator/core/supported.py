"""Fields of the API that this release does not act on: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Unsupported:
    """A field, which of its values are not acted on, and what to write instead.

    In ``path``, ``[]`` stands for every entry of a list.
    """

    path: str
    refuses: Callable[[Any], bool]
    instead: str


def _written(value: Any) -> bool:
    return value is not None and value not in ({}, [])


def _elsewhere(uri: Any) -> bool:
    return not str(uri).startswith("pvc://")


_BY_HAND = "remove it; a changed recipe, or a TrainingRun of your own, starts a training"
UNSUPPORTED: tuple[Unsupported, ...] = (
    Unsupported("storage.uri", _elsewhere, "write pvc://<claim>/<path>"),
    Unsupported("retrain", _written, _BY_HAND),
    Unsupported("tracking.modelRegistry", _written, "remove it: a run's folder holds it all"),
)


def unsupported_message(spec: Tree) -> str | None:
    """Return what to say of the fields of ``spec`` (as written) that are not acted on, or None.

    The reason is ``Reason.NOT_SUPPORTED_YET``; nothing may start while there is such a field.
    """
    found = [
        f"spec.{where} ({field.instead})"
        for field in UNSUPPORTED
        for where, value in values_at(spec, field.path)
        if field.refuses(value)
    ]
    return f"This release does not act on {'; '.join(found)}." if found else None


def values_at(tree: Any, path: str, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that ``path`` leads to, with the path to it: ``data.test[1].uri``."""
    head, _, rest = path.partition(".")
    key = head.removesuffix("[]")
    if not isinstance(tree, Mapping) or key not in tree:
        return
    here = f"{above}.{key}" if above else key
    items = [(here, tree[key])]
    if head.endswith("[]"):
        items = [(f"{here}[{number}]", item) for number, item in enumerate(tree[key] or ())]
    for where, value in items:
        if rest:
            yield from values_at(value, rest, where)
        else:
            yield where, value
