"""Paired bootstrap: how far a difference of scores might be chance in the choice of sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mt_predictor.scores import Metric, Statistics

RESAMPLES = 1000
BLOCK = 1 << 16  # sentences that are drawn at once: what a cache holds
EXACT = 1 << 24  # up to here single precision holds every whole number


@dataclass(frozen=True)
class Delta:
    """Candidate minus baseline, and the interval of it."""

    value: float
    low: float
    high: float


def deltas(
    metrics: Mapping[str, Metric],
    candidate: Mapping[str, Statistics],
    baseline: Mapping[str, Statistics],
    confidence: float,
    seed: Sequence[int],
    resamples: int = RESAMPLES,
) -> dict[str, Delta]:
    """Return the difference of each metric, over the same resampled sentences for all.

    Args:
        metrics: by name.
        candidate: each metric's rows, [sentences, numbers], at least one sentence.
        baseline: the same sentences' rows.
        confidence: of the two-sided percentile interval, in (0, 1).
        seed: of the resamples.
        resamples: how many.
    """
    names = list(metrics)
    blocks = [side[name] for name in names for side in (candidate, baseline)]
    ends = np.cumsum([block.shape[1] for block in blocks])[:-1]
    joined = np.concatenate(blocks, axis=1)  # [sentences, numbers of all]
    sums = np.split(_resampled(joined, seed, resamples), ends, axis=1)
    totals = np.split(joined.sum(axis=0), ends)
    found = {}
    for number, name in enumerate(names):
        metric, ours, theirs = metrics[name], sums[2 * number], sums[2 * number + 1]
        spread = metric.of_each(ours) - metric.of_each(theirs)
        low, high = np.quantile(spread, [(1 - confidence) / 2, (1 + confidence) / 2])
        value = metric.of(totals[2 * number]) - metric.of(totals[2 * number + 1])
        found[name] = Delta(value, float(low), float(high))
    return found


def _resampled(rows: Statistics, seed: Sequence[int], resamples: int) -> NDArray[np.float64]:
    """Return sums of ``rows`` drawn with replacement, [resamples, numbers].

    Each resample is how often each sentence was drawn; a block of them times the rows is one
    product of matrices, in single precision where sums are exact in it.
    """
    chance, count = np.random.default_rng(seed), len(rows)
    whole = bool((rows == np.rint(rows)).all()) and np.abs(rows).max() * count < EXACT
    factor = rows.astype(np.float32 if whole else np.float64)
    block = max(1, BLOCK // count)
    sums = np.empty((resamples, rows.shape[1]))
    for start in range(0, resamples, block):
        part = min(block, resamples - start)
        drawn = chance.integers(0, count, (part, count)) + count * np.arange(part)[:, None]
        times = np.bincount(drawn.ravel(), minlength=part * count).reshape(part, count)
        sums[start : start + part] = times.astype(factor.dtype) @ factor
    return sums
