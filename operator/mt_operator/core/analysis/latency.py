"""LatencyP99: how many requests are slow, from the predictors' histograms.

A P99 is beyond a bound when more than 1 % of the requests are above it: that share is tested, and
the time rounded up to the histogram's next bucket. Against production, ours are at most r times as
slow if no more of ours are above r·b than of theirs above b, whatever b is; the buckets b around
production's P99 are asked, and the mean of what they say is evidence again.
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import inf, log

from mt_operator.core.analysis.finding import Bound, Finding, Pair
from mt_operator.core.analysis.tally import Count, above, below, more, tally
from mt_operator.core.observed import Counters
from mt_operator.core.statistics import log_sum, quantile

SLOW = 0.01  # the share of requests that may take longer than a P99
NEAR = 4.0  # buckets whose tail is SLOW within this factor are around the P99
MIN_REQUESTS = 1000  # ten of them are beyond a P99


def latency_p99(pair: Pair, bound: Bound) -> Finding:
    """Return what the durations of requests answered 200 say, in seconds."""
    ours = _histogram(pair.ours.total)
    theirs = _histogram(pair.theirs.total) if pair.theirs else []
    samples = int(_counted(pair.ours.total))
    evidence, slow = -inf, 0.0
    if samples:
        ratio = bound.kind == "maxRatio"
        evidence, slow = _slower(pair, bound.limit) if ratio else _slow(pair, bound)
    return Finding(
        value=quantile(ours, 1 - SLOW),
        reference=quantile(theirs, 1 - SLOW),
        evidence=evidence,
        samples=samples,
        hits=slow,
    )


def _slow(pair: Pair, bound: Bound) -> tuple[float, float]:
    """Return the evidence that the P99 is beyond ``bound``, and how many requests speak for it."""
    limit = min((at for at in _bounds(pair.ours.total) if at >= bound.limit), default=None)
    if limit is None:
        return -inf, 0.0  # beyond the last bucket nothing is known
    slow = tally(pair.ours, _above(limit), _counted)
    if bound.kind == "max":
        return above(slow, SLOW), slow.hits
    return below(slow, SLOW), slow.total - slow.hits


def _slower(pair: Pair, ratio: float) -> tuple[float, float]:
    """Return the evidence that ours take longer, and how many of ours speak for it.

    Where none does, the P99s may still be in buckets that far apart: that is no proof.
    """
    total = _counted(pair.theirs.total) if pair.theirs else 0
    if pair.theirs is None or not total:
        return -inf, 0.0
    # Another image may have other buckets: those that both have can be compared.
    limits = sorted(_bounds(pair.ours.total) & _bounds(pair.theirs.total))
    tails = {at: _above(at)(pair.theirs.total) / total for at in limits}
    asked = [at for at in limits if SLOW / NEAR <= tails[at] <= SLOW * NEAR]
    asked = asked or sorted(limits, key=lambda at: abs(tails[at] - SLOW))[:1]
    terms, most = [], 0.0
    for at in asked:
        limit = min((x for x in limits if x >= at * ratio * (1 - 1e-9)), default=None)
        if limit is None:
            continue
        ours = tally(pair.ours, _above(limit), _counted)
        terms.append(more(ours, tally(pair.theirs, _above(at), _counted), 1.0))
        most = max(most, ours.hits)
    return (log_sum(terms) - log(len(terms)) if terms else -inf), most


def _histogram(counters: Counters) -> list[tuple[float, float]]:
    """Return (upper bound in seconds, how many at most that), growing."""
    labels = _by_bound(tuple(counters.seconds))
    return sorted((bound, float(counters.seconds[label])) for bound, label in labels.items())


def _counted(counters: Counters) -> float:
    return float(max(counters.seconds.values(), default=0))


def _bounds(counters: Counters) -> set[float]:
    """Return the finite upper bounds of the buckets, in seconds."""
    return {bound for bound in _by_bound(tuple(counters.seconds)) if bound < inf}


@cache
def _above(limit: float) -> Count:
    """Return what counts the requests above ``limit``, one of the buckets' bounds."""

    def count(counters: Counters) -> float:
        label = _by_bound(tuple(counters.seconds)).get(limit)
        return _counted(counters) - counters.seconds[label] if label is not None else 0.0

    return count


@lru_cache(maxsize=64)
def _by_bound(labels: tuple[str, ...]) -> dict[float, str]:
    return {float(label): label for label in labels}
