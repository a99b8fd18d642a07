"""What was measured before: a change of bounds alone is judged by it at once, with no Job.

A measurement of another run of the model counts where it is the one that an evaluation now would
make again: the same artifact, engine, test sentences and confidence, and every metric and slice
that a gate names. A bound of a difference needs the baseline to be the same, too:

    there is no baseline now             differences do not apply, whatever was measured
    it is what is judged                 nothing differs from itself: 0, exactly
    it is the one that was measured      its intervals stand
    it is another one                    an evaluation is needed
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from mt_contract.codec import DecodeError, from_json
from mt_contract.report import Comparison, EvaluationResult
from mt_contract.resource import Evaluation, Gate
from mt_operator.core.conditions import is_true, read_conditions
from mt_operator.core.observed import RunView
from mt_operator.core.run.inputs import Baseline

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """An evaluation that is due."""

    artifact: Tree  # {uri, digest}
    recipe: Tree  # as stored
    inputs: Tree  # as stored, without a baseline
    evaluation: Evaluation
    baseline: Baseline | None


@dataclass(frozen=True)
class Measurement:
    """The result of an evaluation that was made before, as one of today would tell it."""

    run: str
    folder: str  # where its translations lie
    result: EvaluationResult
    baseline: Baseline | None  # that its differences are taken against


@dataclass(frozen=True)
class _Stored:
    """``status.evaluation``, as far as it was measured and not judged."""

    scores: Mapping[str, str]
    examples: int
    comparisons: tuple[Comparison, ...]
    signatures: Mapping[str, str]
    report: str
    baseline: Mapping[str, Any] | None = None


def measured_before(asked: Asked, runs: Iterable[RunView]) -> Measurement | None:
    """Return the newest measurement among ``runs`` that answers all that is asked, if any does."""
    newest = sorted(runs, key=lambda r: (str(r.status.get("completionTime")), r.meta.name))
    found = (_measurement(asked, run) for run in reversed(newest))
    return next((each for each in found if each is not None), None)


def _measurement(asked: Asked, run: RunView) -> Measurement | None:
    stored = _stored(run)
    if stored is None or not _same_evaluation(asked, run.status):
        return None
    rows = {(row.metric, row.slice): row for row in stored.comparisons}
    wanted = [rows.get((gate.metric, gate.slice)) for gate in asked.evaluation.gates]
    if None in wanted:
        return None
    compared = _against_baseline(asked, run, stored)
    if compared is None:
        return None
    return Measurement(run.meta.name, run.status["inputs"]["folder"], *compared)


def _stored(run: RunView) -> _Stored | None:
    """Return what ``run`` measured; None where it did not, or not in a way that is known here."""
    told = run.status.get("evaluation") or {}
    try:
        over = is_true(read_conditions(run.status), "Succeeded")
        if run.meta.deleting or not over or "comparisons" not in told:
            return None
        return from_json(_Stored, told)
    except DecodeError:
        return None


def _same_evaluation(asked: Asked, status: Tree) -> bool:
    inputs, recipe = status.get("inputs") or {}, status.get("recipe") or {}
    confidence = (inputs.get("evaluation") or {}).get("confidence")
    return (
        (status.get("artifact") or {}).get("digest") == asked.artifact["digest"]
        and inputs.get("engine") == asked.inputs["engine"]
        and inputs.get("test") == asked.inputs["test"]
        and confidence is not None
        and Decimal(confidence) == asked.evaluation.confidence
        and _reading(recipe) == _reading(asked.recipe)
    )


def _reading(recipe: Tree) -> tuple[Any, Any]:
    """Return how test files are read."""
    data = recipe.get("data") or {}
    return data.get("format"), data.get("fields")


def _against_baseline(
    asked: Asked, run: RunView, stored: _Stored
) -> tuple[EvaluationResult, Baseline | None] | None:
    """Return the result with the differences that apply now, and from what; None: not known."""
    baseline = asked.baseline
    if baseline is None or not any(map(_bounds_difference, asked.evaluation.gates)):
        plain = (replace(row, delta=None, low=None, high=None) for row in stored.comparisons)
        return _result(stored, plain, None), None
    if baseline.digest == asked.artifact["digest"] and baseline.engine == asked.inputs["engine"]:
        same = (replace(row, delta="0", low="0", high="0") for row in stored.comparisons)
        return _result(stored, same, stored.scores), baseline
    before = (run.status.get("inputs") or {}).get("baseline") or {}
    if (before.get("digest"), before.get("engine")) != (baseline.digest, baseline.engine):
        return None
    scores = (stored.baseline or {}).get("scores") or {}
    return _result(stored, stored.comparisons, scores), baseline


def _bounds_difference(gate: Gate) -> bool:
    return gate.min_delta is not None or gate.max_delta is not None


def _result(
    stored: _Stored, rows: Iterable[Comparison], baseline: Mapping[str, str] | None
) -> EvaluationResult:
    return EvaluationResult(
        scores=stored.scores,
        comparisons=tuple(rows),
        signatures=stored.signatures,
        examples=stored.examples,
        report=stored.report,
        baseline=None if baseline is None else {"scores": baseline},
    )
