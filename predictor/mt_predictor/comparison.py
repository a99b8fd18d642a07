"""What an evaluation measures, from translations alone; pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mt_contract.errors import ConfigurationError
from mt_contract.report import Comparison
from mt_predictor import lengths, scores
from mt_predictor.bootstrap import Compared, intervals
from mt_predictor.lengths import LengthBin
from mt_predictor.scores import METRICS, Metric, Statistics
from mt_predictor.settings import Asked, EvaluationSettings
from mt_predictor.testset import Example

MOST_SLICES = 24  # get intervals unasked, the largest first; all have scores
Rows = Mapping[str, Statistics]


@dataclass(frozen=True)
class Part:
    """All test sentences, or those of a slice: each metric, with its interval."""

    examples: int
    metrics: Mapping[str, Compared]


@dataclass(frozen=True)
class Measured:
    """Scores of all sentences and of slices, what gates asked for, and each sentence's chrF."""

    examples: Sequence[Example]
    outputs: Sequence[str]
    baseline_outputs: Sequence[str] | None
    scores: Mapping[str, str]
    baseline_scores: Mapping[str, str]
    slices: Mapping[str, Mapping[str, object]]  # by name: examples, scores
    parts: Mapping[str | None, Part]  # None: all sentences
    by_length: tuple[LengthBin, ...]
    comparisons: tuple[Comparison, ...]
    signatures: Mapping[str, str]
    sentence_chrf: NDArray[np.float64]
    baseline_sentence_chrf: NDArray[np.float64] | None


def measure(
    examples: Sequence[Example],
    outputs: Sequence[str],
    baseline_outputs: Sequence[str] | None,
    asked: EvaluationSettings,
    confidence: float,
    languages: tuple[str, str],
) -> Measured:
    """Return all that is measured.

    Args:
        examples: test sentences, at least one.
        outputs: their translations by the candidate, in order.
        baseline_outputs: by the baseline, or None.
        asked: comparisons and seed.
        confidence: of intervals.
        languages: of source and target, BCP 47.

    Raises:
        ConfigurationError: a metric that is not known here.
    """
    metrics = scores.metrics(languages[1])
    for row in asked.comparisons:
        if row.metric not in metrics:
            raise ConfigurationError(f"metric {row.metric!r} is unknown: use {', '.join(METRICS)}")
    ours = {name: metric.statistics(outputs, examples) for name, metric in metrics.items()}
    theirs = None
    if baseline_outputs is not None:
        theirs = {n: m.statistics(baseline_outputs, examples) for n, m in metrics.items()}
    slices = _slices(examples)
    parts = _parts(metrics, ours, theirs, slices, asked, confidence)
    chrf = metrics[lengths.METRIC]
    sides = [side[lengths.METRIC] for side in (ours, theirs) if side is not None]
    unspaced, seed = scores.unspaced(languages[0]), asked.seed % 2**63
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
        parts=parts,
        by_length=lengths.by_length(chrf, examples, sides, unspaced, confidence, seed),
        comparisons=_comparisons(parts, asked),
        signatures={name: m.signature() for name, m in metrics.items() if m.signature},
        sentence_chrf=chrf.of_each(sides[0]),
        baseline_sentence_chrf=chrf.of_each(sides[1]) if theirs else None,
    )


def _slices(examples: Sequence[Example]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, example in enumerate(examples):
        if example.slice is not None:
            found.setdefault(example.slice, []).append(number)
    return found


def _parts(
    metrics: Mapping[str, Metric],
    ours: Rows,
    theirs: Rows | None,
    slices: Mapping[str, list[int]],
    asked: EvaluationSettings,
    confidence: float,
) -> dict[str | None, Part]:
    """Return all sentences, the slices that gates name, and the largest of the others."""
    largest = sorted(slices, key=lambda name: -len(slices[name]))[:MOST_SLICES]
    named = [row.slice for row in asked.comparisons if row.slice in slices]
    found = {}
    for name in dict.fromkeys([None, *named, *largest]):
        mine, other = ours, theirs
        if name is not None:
            mine = _only(ours, slices[name])
            other = _only(theirs, slices[name]) if theirs else None
        seed = (asked.seed % 2**63, zlib.crc32((name or "").encode()))
        compared = intervals(metrics, mine, other, confidence, seed)
        found[name] = Part(len(mine[METRICS[0]]), compared)
    return found


def _comparisons(
    parts: Mapping[str | None, Part], asked: EvaluationSettings
) -> tuple[Comparison, ...]:
    """Return a row for each number that was asked for; none for a slice without sentences."""
    return tuple(
        _row(row, parts[row.slice])
        for row in dict.fromkeys(asked.comparisons)
        if row.slice in parts
    )


def _row(asked: Asked, part: Part) -> Comparison:
    found = part.metrics[asked.metric]
    told = [found.candidate.value]
    if found.delta is not None:
        told += [found.delta.value, found.delta.low, found.delta.high]
    return Comparison(
        asked.metric, asked.slice, part.examples, *(scores.text(asked.metric, x) for x in told)
    )


def _only(rows: Rows, numbers: Sequence[int]) -> Rows:
    chosen = np.array(numbers, np.intp)
    return {name: block[chosen] for name, block in rows.items()}


def _scores(metrics: Mapping[str, Metric], rows: Rows) -> dict[str, str]:
    return {
        name: scores.text(name, metric.of(rows[name].sum(axis=0)))
        for name, metric in metrics.items()
    }
