"""The recipe: what decides a training's outcome, its digest, and whether a changed spec still asks for the same one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract.defaults import PLACEMENT_KEYS, Images, Tree, drop, resolve
from mt_contract.names import digest

# Parts of a (raw or resolved) spec that are the recipe; test data is judged by, not trained on.
_DATA_KEYS = ("format", "fields", "train", "validation", "checks")


def written(spec: Tree) -> dict[str, Any]:
    """Return what the user wrote of the recipe in ``spec``, defaults left out."""
    data = {key: spec["data"][key] for key in _DATA_KEYS if key in spec.get("data", {})}
    return {
        "sourceLanguage": spec.get("sourceLanguage"),
        "targetLanguage": spec.get("targetLanguage"),
        "data": data,
        "training": drop(spec.get("training", {}), PLACEMENT_KEYS),
    }


def resolved(spec: Tree, images: Images) -> dict[str, Any]:
    """Return the recipe of ``spec`` with every default filled in: what ``status.recipe`` keeps and a trainer is given."""
    return written(resolve(spec, images))


def recipe_digest(recipe: Tree) -> str:
    """Return the digest of a resolved recipe."""
    return digest(recipe)


def carried(new: Tree, old: Tree, stored: Tree, images: Images) -> dict[str, Any]:
    """Return the recipe that ``new`` (written) asks for, given that ``old`` (written) became ``stored`` (resolved).

    A value that neither wrote stays as it was stored, so another release's defaults change nothing. A value that is
    written counts as written; one that is no longer written falls back to today's default. With another preset, the
    architecture that is not written follows the preset.
    """
    today = resolved(new, images)
    if today["training"]["preset"] != stored["training"]["preset"]:
        old = _without_architecture(old, new)
    return _carry(new, old, stored, today)


def unchanged(new: Tree, old: Tree, stored: Tree, images: Images) -> bool:
    """Return whether ``new`` (written) still asks for the recipe that ``old`` (written) was ``stored`` as."""
    return recipe_digest(carried(new, old, stored, images)) == recipe_digest(stored)


def _carry(new: Any, old: Any, stored: Any, today: Any) -> Any:
    if not isinstance(today, Mapping):
        return today
    result = {}
    for key in today.keys() | (stored.keys() if isinstance(stored, Mapping) else set()):
        in_new, in_old = _has(new, key), _has(old, key)
        if isinstance(today.get(key), Mapping) and isinstance(_get(stored, key), Mapping):
            result[key] = _carry(_get(new, key), _get(old, key), _get(stored, key), today[key])
        elif not in_new and not in_old and _has(stored, key):
            result[key] = stored[key]
        elif key in today:
            result[key] = today[key]
    return result


def _has(tree: Any, key: str) -> bool:
    return isinstance(tree, Mapping) and tree.get(key) is not None


def _get(tree: Any, key: str) -> Any:
    return tree.get(key) if isinstance(tree, Mapping) else None


def _without_architecture(old: Tree, new: Tree) -> Tree:
    """Pretend that the old spec had written its architecture, so that what ``new`` leaves out is resolved anew."""
    marked = {
        key: "changed" for key in ("layers", "modelDimension", "feedForwardDimension", "heads")
    }
    return dict(old) | {"training": dict(old.get("training", {})) | {"architecture": marked}}
