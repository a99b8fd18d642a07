"""What a spec asks for, and which runs answer it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mt_contract import names, recipe
from mt_contract.carry import carry
from mt_contract.defaults import ENGINE_KEYS, EVALUATION, Images, drop, merge, pick, resolve_engine
from mt_operator.core.children.training_run import ANNOTATION_SOURCE
from mt_operator.core.model.state import Tree
from mt_operator.core.observed import RunView


def asked_digest(spec: Tree) -> str:
    """Return the digest of all that the user wrote that decides translations or their judgement.

    Nothing that is resolved goes into it: another release's defaults do not change it.
    """
    return names.digest(
        {
            "recipe": recipe.written(spec),
            "engine": _engine(spec),
            "test": _test(spec),
            "evaluation": spec.get("evaluation") or {},
        }
    )


def same_recipe(spec: Tree, run: RunView, runs: Mapping[str, RunView], images: Images) -> bool:
    """Return whether what ``run`` trained (or reuses) is what ``spec`` asks to be trained."""
    root = runs.get(run.meta.annotations.get(ANNOTATION_SOURCE, run.meta.name))
    if root is None or "import" in root.spec:
        return False  # nobody knows the recipe of a model that was made elsewhere
    inputs, stored = _inputs(root), drop(root.status.get("recipe") or {}, frozenset({"digest"}))
    if not inputs.get("written") or not stored:  # not resolved yet
        return recipe.written(root.spec) == recipe.written(spec)
    return recipe.unchanged(spec, inputs["written"], stored, images)


def same_engine(spec: Tree, run: RunView, images: Images) -> bool:
    """Return whether ``run`` is judged with the engine that ``spec`` asks for."""
    new, old, stored = _engine(spec), _engine(run.spec), _inputs(run).get("engine")
    if not stored:
        return new == old
    return carry(new, old, stored, resolve_engine(new, images)) == dict(stored)


def same_judgement(spec: Tree, run: RunView) -> bool:
    """Return whether ``run`` is judged on the test data and by the gates that ``spec`` names."""
    inputs, new = _inputs(run), spec.get("evaluation") or {}
    if not inputs.get("evaluation"):
        return _test(spec) == _test(run.spec) and new == (run.spec.get("evaluation") or {})
    old, stored = run.spec.get("evaluation") or {}, inputs["evaluation"]
    same_gates = carry(new, old, stored, merge(EVALUATION, new)) == dict(stored)
    return same_gates and _test(spec) == list(inputs.get("test") or [])


def answers(spec: Tree, run: RunView, runs: Mapping[str, RunView], images: Images) -> bool:
    """Return whether ``run`` answers all that ``spec`` asks for."""
    return (
        same_judgement(spec, run)
        and same_engine(spec, run, images)
        and same_recipe(spec, run, runs, images)
    )


def by_name(runs: Iterable[RunView]) -> dict[str, RunView]:
    """Return the runs by their names."""
    return {run.meta.name: run for run in runs}


def _inputs(run: RunView) -> Tree:
    return run.status.get("inputs") or {}


def _engine(spec: Tree) -> dict[str, Any]:
    return pick(spec.get("serving") or {}, ENGINE_KEYS)


def _test(spec: Tree) -> list[Any]:
    return list((spec.get("data") or {}).get("test") or [])
