"""Resolve a changed spec without letting another release's defaults change what users left alone.

A spec is *written* by its user, and *stored* with every default filled in when something begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Tree = Mapping[str, Any]


def carry(new: Tree, old: Tree, stored: Tree, today: Tree) -> dict[str, Any]:
    """Return what ``new`` asks for, given that ``old`` (both written) became ``stored``.

    A value that neither wrote stays as it was stored. A written value counts as written; one that
    is no longer written falls back to today's default. Fields that a later release added come in
    only when something changes anyway.

    Args:
        new: what the user writes now.
        old: what the user had written when ``stored`` was resolved.
        stored: ``old`` with the defaults of that day.
        today: ``new`` with the defaults of today.
    """
    same_fields = _carry(new, old, stored, today, additions=False)
    if same_fields == stored:
        return same_fields
    return _carry(new, old, stored, today, additions=True)


def _carry(new: Any, old: Any, stored: Tree, today: Tree, additions: bool) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key in today.keys() | stored.keys():
        below, value = stored.get(key), today.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = _carry(_get(new, key), _get(old, key), below, value, additions)
        elif _get(new, key) is not None or _get(old, key) is not None:
            if key in today:
                result[key] = value
        elif key in stored:
            result[key] = below
        elif additions:
            result[key] = value
    return result


def _get(tree: Any, key: str) -> Any:
    return tree.get(key) if isinstance(tree, Mapping) else None
