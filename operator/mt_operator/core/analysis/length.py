"""LengthRatio: target tokens by source tokens; its spread comes from the texts' buckets."""

from __future__ import annotations

from math import inf

from mt_operator.core.analysis.evidence import LENGTH_RATIO
from mt_operator.core.analysis.finding import Bound, Finding, Pair
from mt_operator.core.analysis.tally import CLUMPING
from mt_operator.core.observed import Counters
from mt_operator.core.statistics import beyond

MIN_TEXTS = 100  # from about here on a mean is normal enough
LEAST_SPREAD = 0.1  # of a text's ratio, by the mean: buckets are coarse


def length_ratio(pair: Pair, bound: Bound) -> Finding:
    """Return what the lengths of translations say."""
    value, variance, texts = _ratio(pair.ours.total)
    reference, their_variance, _ = _ratio(pair.theirs.total) if pair.theirs else (None, 0.0, 0)
    if value is None:
        evidence = -inf
    elif bound.kind == "max":
        evidence = beyond(value - bound.limit, variance, abs(bound.limit))
    elif bound.kind == "min":
        evidence = beyond(bound.limit - value, variance, abs(bound.limit))
    elif reference is None:
        evidence = -inf
    else:
        limit = bound.limit * reference
        evidence = beyond(value - limit, variance + bound.limit**2 * their_variance, limit)
    return Finding(value, reference, evidence, texts, float(texts))


def _ratio(counters: Counters) -> tuple[float | None, float, int]:
    """Return target tokens by source tokens, the variance of that, and of how many texts."""
    if not counters.source_tokens or not counters.instances:
        return None, 0.0, counters.instances
    value = counters.target_tokens / counters.source_tokens
    spread = max(_spread(counters, value), LEAST_SPREAD * value)
    return value, CLUMPING * spread**2 / counters.instances, counters.instances


def _spread(counters: Counters, value: float) -> float:
    """Return the standard deviation of a text's ratio, by the middles of buckets."""
    buckets = sorted((float(label), n) for label, n in _buckets(counters).items())
    texts = sum(n for _, n in buckets)
    if not texts:
        return value  # as wide as it gets
    low, middles = 0.0, []
    for bound, count in buckets:
        middles.append((2 * low if bound == inf else (low + bound) / 2, count))
        low = bound
    mean = sum(x * n for x, n in middles) / texts
    return float((sum((x - mean) ** 2 * n for x, n in middles) / texts) ** 0.5)


def _buckets(counters: Counters) -> dict[str, int]:
    return dict(counters.features.get(LENGTH_RATIO, {}))
