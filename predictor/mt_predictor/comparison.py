"""What an evaluation measures, from translations alone; pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mt_contract.errors import ConfigurationError
from mt_contract.report import Comparison
from mt_predictor import scores
from mt_predictor.bootstrap import Delta, deltas
from mt_predictor.scores import METRICS, Metric, Statistics
from mt_predictor.settings import Asked, EvaluationSettings
from mt_predictor.testset import Example


@dataclass(frozen=True)
class Measured:
    """Scores of all sentences and of slices, what gates asked for, and each sentence's chrF."""

    examples: Sequence[Example]
    outputs: Sequence[str]
    baseline_outputs: Sequence[str] | None
    scores: Mapping[str, str]
    baseline_scores: Mapping[str, str]
    slices: Mapping[str, Mapping[str, object]]  # by name: examples, scores
    comparisons: tuple[Comparison, ...]
    signatures: Mapping[str, str]
    sentence_chrf: Sequence[float]
    baseline_sentence_chrf: Sequence[float] | None


Rows = Mapping[str, Statistics]


def measure(
    examples: Sequence[Example],
    outputs: Sequence[str],
    baseline_outputs: Sequence[str] | None,
    asked: EvaluationSettings,
    confidence: float,
    target_language: str,
) -> Measured:
    """Return all that is measured.

    Args:
        examples: test sentences, at least one.
        outputs: their translations by the candidate, in order.
        baseline_outputs: by the baseline, or None.
        asked: comparisons and seed.
        confidence: of intervals.
        target_language: BCP 47.

    Raises:
        ConfigurationError: a metric that is not known here.
    """
    metrics = scores.metrics(target_language)
    for row in asked.comparisons:
        if row.metric not in metrics:
            raise ConfigurationError(f"metric {row.metric!r} is unknown: use {', '.join(METRICS)}")
    ours = {name: metric.statistics(outputs, examples) for name, metric in metrics.items()}
    theirs = None
    if baseline_outputs is not None:
        theirs = {n: m.statistics(baseline_outputs, examples) for n, m in metrics.items()}
    slices = _slices(examples)
    return Measured(
        examples=examples,
        outputs=outputs,
        baseline_outputs=baseline_outputs,
        scores=_scores(metrics, ours),
        baseline_scores=_scores(metrics, theirs) if theirs else {},
        slices={
            name: {"examples": len(rows), "scores": _scores(metrics, _only(ours, rows))}
            for name, rows in slices.items()
        },
        comparisons=_comparisons(metrics, ours, theirs, slices, asked, confidence),
        signatures={name: m.signature() for name, m in metrics.items() if m.signature},
        sentence_chrf=_by_sentence(metrics["chrF"], ours["chrF"]),
        baseline_sentence_chrf=_by_sentence(metrics["chrF"], theirs["chrF"]) if theirs else None,
    )


def _slices(examples: Sequence[Example]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, example in enumerate(examples):
        if example.slice is not None:
            found.setdefault(example.slice, []).append(number)
    return found


def _comparisons(
    metrics: Mapping[str, Metric],
    ours: Rows,
    theirs: Rows | None,
    slices: Mapping[str, list[int]],
    asked: EvaluationSettings,
    confidence: float,
) -> tuple[Comparison, ...]:
    """Return a row for each number that was asked for; none for a slice without sentences."""
    found: dict[Asked, Comparison] = {}
    for name in dict.fromkeys(row.slice for row in asked.comparisons):
        rows = list(range(len(ours[METRICS[0]]))) if name is None else slices.get(name, [])
        if not rows:
            continue
        wanted = {row.metric: metrics[row.metric] for row in asked.comparisons if row.slice == name}
        mine = _only(ours, rows)
        spread: dict[str, Delta] = {}
        if theirs is not None:
            seed = (asked.seed % 2**63, zlib.crc32((name or "").encode()))
            spread = deltas(wanted, mine, _only(theirs, rows), confidence, seed)
        for metric_name, metric in wanted.items():
            value = metric.of(mine[metric_name].sum(axis=0))
            found[Asked(metric_name, name)] = _row(
                metric_name, name, len(rows), value, spread.get(metric_name)
            )
    return tuple(found[row] for row in dict.fromkeys(asked.comparisons) if row in found)


def _row(
    metric: str, name: str | None, examples: int, value: float, delta: Delta | None
) -> Comparison:
    if delta is None:
        return Comparison(metric, name, examples, scores.text(metric, value))
    told = [scores.text(metric, x) for x in (value, delta.value, delta.low, delta.high)]
    return Comparison(metric, name, examples, *told)


def _only(rows: Rows, numbers: Sequence[int]) -> Rows:
    chosen = np.array(numbers, np.intp)
    return {name: block[chosen] for name, block in rows.items()}


def _scores(metrics: Mapping[str, Metric], rows: Rows) -> dict[str, str]:
    return {
        name: scores.text(name, metric.of(rows[name].sum(axis=0)))
        for name, metric in metrics.items()
    }


def _by_sentence(metric: Metric, rows: Statistics) -> list[float]:
    return [metric.of(row) for row in rows]
