"""Paired bootstrap: how far a score, or a difference, might be chance in the choice of sentences.

The one place that resamples: what gates judge and what the report draws are the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mt_predictor.scores import Metric, Statistics

RESAMPLES = 1000
BLOCK = 1 << 16  # sentences that are drawn at once: what a cache holds
AT_LEAST = 8  # resamples at once: where sentences are many, reading their rows is what takes long
EXACT = 1 << 24  # up to here single precision holds every whole number


@dataclass(frozen=True)
class Interval:
    """A number, and the bounds of its two-sided percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """One metric of candidate and baseline, over the same resampled sentences."""

    candidate: Interval
    baseline: Interval | None = None
    delta: Interval | None = None  # candidate minus baseline


def intervals(
    metrics: Mapping[str, Metric],
    candidate: Mapping[str, Statistics],
    baseline: Mapping[str, Statistics] | None,
    confidence: float,
    seed: Sequence[int],
    resamples: int = RESAMPLES,
) -> dict[str, Compared]:
    """Return each metric with its interval, and its difference from the baseline's with its own.

    Args:
        metrics: by name.
        candidate: each metric's rows, [sentences, numbers], at least one sentence.
        baseline: the same sentences' rows, or None.
        confidence: of the intervals, in (0, 1).
        seed: of the resamples, which are the same for all metrics.
        resamples: how many.
    """
    names = list(metrics)
    sides = [candidate] if baseline is None else [candidate, baseline]
    blocks = [side[name] for name in names for side in sides]
    ends = np.cumsum([block.shape[1] for block in blocks])[:-1]
    joined = np.concatenate(blocks, axis=1)  # [sentences, numbers of all]
    sums = np.split(_resampled(joined, seed, resamples), ends, axis=1)
    totals = np.split(joined.sum(axis=0), ends)
    quantiles = ((1 - confidence) / 2, (1 + confidence) / 2)
    found = {}
    for number, name in enumerate(names):
        own = slice(number * len(sides), (number + 1) * len(sides))
        values = [metrics[name].of(total) for total in totals[own]]
        spreads = [metrics[name].of_each(drawn) for drawn in sums[own]]
        if baseline is not None:
            values.append(values[0] - values[1])
            spreads.append(spreads[0] - spreads[1])
        bounds = np.quantile(spreads, quantiles, axis=1).T
        found[name] = Compared(
            *(
                Interval(value, *map(float, pair))
                for value, pair in zip(values, bounds, strict=True)
            )
        )
    return found


def _resampled(rows: Statistics, seed: Sequence[int], resamples: int) -> NDArray[np.float64]:
    """Return sums of ``rows`` drawn with replacement, [resamples, numbers].

    Each resample is how often each sentence was drawn; a block of them times the rows is one
    product of matrices, in single precision where sums are exact in it.
    """
    chance, count = np.random.default_rng(seed), len(rows)
    whole = bool((rows == np.rint(rows)).all()) and np.abs(rows).max() * count < EXACT
    factor = rows.astype(np.float32 if whole else np.float64)
    block = max(AT_LEAST, BLOCK // count)
    sums = np.empty((resamples, rows.shape[1]))
    for start in range(0, resamples, block):
        part = min(block, resamples - start)
        drawn = chance.integers(0, count, (part, count)) + count * np.arange(part)[:, None]
        times = np.bincount(drawn.ravel(), minlength=part * count).reshape(part, count)
        sums[start : start + part] = times.astype(factor.dtype) @ factor
    return sums
