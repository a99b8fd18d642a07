"""Paired bootstrap: how far a difference of scores might be chance in the choice of sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mt_predictor.scores import Metric, Statistics

RESAMPLES = 1000


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
        of, ours, theirs = metrics[name].of, sums[2 * number], sums[2 * number + 1]
        spread = [of(one) - of(other) for one, other in zip(ours, theirs, strict=True)]
        low, high = np.quantile(spread, [(1 - confidence) / 2, (1 + confidence) / 2])
        value = of(totals[2 * number]) - of(totals[2 * number + 1])
        found[name] = Delta(value, float(low), float(high))
    return found


def _resampled(rows: Statistics, seed: Sequence[int], resamples: int) -> NDArray[np.float64]:
    """Return sums of ``rows`` drawn with replacement, [resamples, numbers]."""
    chance = np.random.default_rng(seed)
    count = len(rows)
    sums = np.empty((resamples, rows.shape[1]))
    for number in range(resamples):
        drawn = np.bincount(chance.integers(0, count, count), minlength=count)
        sums[number] = drawn @ rows
    return sums
