"""The recipe: what decides a training's outcome, its digest, and whether a spec asks for another.

A spec is *written* by its user, and *stored* with every default filled in when a run begins.
"""

from __future__ import annotations

from typing import Any

from mt_contract.carry import carry
from mt_contract.defaults import PLACEMENT_KEYS, PRESETS, Images, Tree, drop, merge, resolve
from mt_contract.names import digest

# Parts of a (written or resolved) spec that are the recipe; test data judges, it is not trained on.
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
    """Return the recipe of ``spec``, defaults filled in: ``status.recipe`` without its digest."""
    return written(resolve(spec, images))


def recipe_digest(recipe: Tree) -> str:
    """Return the digest of a resolved recipe."""
    return digest(recipe)


def carried(new: Tree, old: Tree, stored: Tree, images: Images) -> dict[str, Any]:
    """Return the recipe that ``new`` asks for, given that ``old`` (both written) became ``stored``.

    Defaults of another release change nothing (see ``carry``). With another preset, the sizes that
    are not written follow the preset.
    """
    today = resolved(new, images)
    if today["training"]["preset"] != stored["training"]["preset"]:
        old = _with_sizes_written(old)
    return carry(new, old, stored, today)


def unchanged(new: Tree, old: Tree, stored: Tree, images: Images) -> bool:
    """Return whether ``new`` still asks for the recipe that ``old`` was ``stored`` as."""
    return recipe_digest(carried(new, old, stored, images)) == recipe_digest(stored)


def _with_sizes_written(old: Tree) -> dict[str, Any]:
    """Return the old spec as if it had named all sizes: what ``new`` omits is resolved anew."""
    sizes = {key: "of the old preset" for preset in PRESETS.values() for key in preset}
    return merge(old, {"training": {"architecture": sizes}})
