"""The built-in measures: what each reads of a window, and how sure that is beyond its bound.

| measure | value | reads |
| --- | --- | --- |
| ErrorRate | fraction of requests answered 5xx; not 503: load shed on purpose | codes |
| EmptyFraction | fraction of texts with an empty translation | instances, empty |
| CopyFraction | fraction of texts that came back as they were | instances, copies |
| LatencyP99 | seconds that 99 % of the requests answered 200 took at most | buckets of seconds |
| LengthRatio | target tokens by source tokens | tokens, buckets of lengthRatio |
| Restarts | container restarts and lost processes | restarts |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, log

from mt_operator.core.analysis.evidence import LENGTH_RATIO, Sample, Window, answered
from mt_operator.core.observed import Counters
from mt_operator.core.statistics import beyond, dispersion, excess, log_sum, quantile, split

SLOW = 0.01  # the share of requests that may take longer than a P99
MIN_LATENCY = 1000  # requests that a P99 needs
MIN_TEXTS = 100  # texts that a mean of ratios needs
CLUMPING, TRUST = 1.5, 4.0  # see dispersion: where nothing is known yet


@dataclass(frozen=True)
class Bound:
    """One bound of a measure."""

    kind: str  # max | min | maxRatio
    limit: float


@dataclass(frozen=True)
class Pair:
    """The samples that are compared: of users, or the operator's own; never mixed."""

    ours: Sample
    theirs: Sample | None  # None: there is no production


@dataclass(frozen=True)
class Finding:
    """What a measure says about one bound."""

    value: float | None  # None: nothing was measured
    reference: float | None  # production's value
    evidence: float  # natural logarithm of an e-value: the larger, the surer it is beyond
    samples: int  # what it was measured of
    beyond: bool  # whether the value itself is beyond the bound


@dataclass(frozen=True)
class Builtin:
    """A built-in measure."""

    find: Callable[[Pair, Bound], Finding]
    show: Callable[[float], str]
    of: str  # what it counts
    minimum: int = 1  # samples without which it never passes


@dataclass(frozen=True)
class _Fraction:
    """A measure that is a share of hits."""

    hits: Callable[[Counters], float]
    of: Callable[[Counters], float]

    def __call__(self, pair: Pair, bound: Bound) -> Finding:
        ours, total = self.hits(pair.ours.total), self.of(pair.ours.total)
        value = ours / total if total else None
        theirs = self.hits(pair.theirs.total) if pair.theirs else 0.0
        their_total = self.of(pair.theirs.total) if pair.theirs else 0.0
        reference = theirs / their_total if their_total else None
        evidence = self.evidence(pair, bound)
        return Finding(value, reference, evidence, int(total), _outside(value, reference, bound))

    def evidence(self, pair: Pair, bound: Bound) -> float:
        """Return the evidence that the share is beyond its bound, tempered by the clumping."""
        ours, total = self.hits(pair.ours.total), self.of(pair.ours.total)
        if not total:
            return -inf
        clumps = self.clumping(pair)
        if bound.kind == "max":
            return excess(ours / clumps, total / clumps, bound.limit)
        if bound.kind == "min":
            return excess((total - ours) / clumps, total / clumps, 1 - bound.limit)
        if pair.theirs is None:
            return -inf
        theirs, their_total = self.hits(pair.theirs.total), self.of(pair.theirs.total)
        return split(ours / clumps, total, theirs / clumps, their_total, bound.limit)

    def clumping(self, pair: Pair) -> float:
        """Return by how much hits clump, by the readings at hand."""
        cells = []
        for sample in (pair.ours, pair.theirs):
            for look in sample.looks if sample else ():
                totals = [self.of(counters) for counters in look.values()]
                whole = sum(totals) or 1.0
                hits = [self.hits(counters) for counters in look.values()]
                cells.append([(h, t / whole) for h, t in zip(hits, totals, strict=True)])
        return dispersion(cells, CLUMPING, TRUST)


def bounds_of(kinds: Mapping[str, float | None]) -> tuple[Bound, ...]:
    """Return the bounds that are set."""
    return tuple(Bound(kind, limit) for kind, limit in kinds.items() if limit is not None)


def _outside(value: float | None, reference: float | None, bound: Bound) -> bool:
    if value is None:
        return False
    if bound.kind == "max":
        return value > bound.limit
    if bound.kind == "min":
        return value < bound.limit
    return reference is not None and value > bound.limit * reference


def _errors(counters: Counters) -> int:
    return sum(n for code, n in counters.codes.items() if code.startswith("5") and code != "503")


def _latency(pair: Pair, bound: Bound) -> Finding:
    """Compare how many were slow: beyond the bound, or beyond ratio times what is slow there."""
    ours = _histogram(pair.ours.total)
    theirs = _histogram(pair.theirs.total) if pair.theirs else []
    value, reference = quantile(ours, 1 - SLOW), quantile(theirs, 1 - SLOW)
    samples = int(ours[-1][1]) if ours else 0
    outside = _outside(value, reference, bound)
    if bound.kind == "maxRatio":
        evidence = _slower(pair, bound.limit, [limit for limit, _ in theirs if limit < inf])
    else:
        evidence = _slow(pair, bound, [limit for limit, _ in ours if limit < inf])
    return Finding(value, reference, evidence, samples, outside)


def _slow(pair: Pair, bound: Bound, limits: list[float]) -> float:
    """Return the evidence that a P99 is beyond a time, which is rounded up to a bucket's."""
    limit = min((at for at in limits if at >= bound.limit), default=None)
    if limit is None:
        return -inf
    slow = _Fraction(_above(limit), _counted)
    if bound.kind == "max":
        return slow.evidence(pair, Bound("max", SLOW))
    return slow.evidence(pair, Bound("min", SLOW))


def _slower(pair: Pair, ratio: float, limits: list[float]) -> float:
    """Return the evidence that ours are more than ``ratio`` times as slow as theirs in the tail.

    If ours take at most ``ratio`` times as long, no more of ours are above ratio·b than of theirs
    above b, whatever b is. The bounds b near production's P99 are looked at, and the mean taken.
    """
    if pair.theirs is None or not limits or not _counted(pair.theirs.total):
        return -inf
    total = _counted(pair.theirs.total)
    tails = {at: _above(at)(pair.theirs.total) / total for at in limits}
    near = [at for at in limits if SLOW / 4 <= tails[at] <= SLOW * 4]
    near = near or [min(limits, key=lambda at: abs(tails[at] - SLOW))]
    terms = []
    for at in near:
        limit = min((x for x in limits if x >= at * ratio * (1 - 1e-9)), default=None)
        if limit is None:
            continue
        ours, theirs = _Fraction(_above(limit), _counted), _Fraction(_above(at), _counted)
        clumps = max(ours.clumping(Pair(pair.ours, None)), theirs.clumping(Pair(pair.theirs, None)))
        terms.append(
            split(
                _above(limit)(pair.ours.total) / clumps,
                _counted(pair.ours.total),
                _above(at)(pair.theirs.total) / clumps,
                total,
                1.0,
            )
        )
    return log_sum(terms) - log(len(terms)) if terms else -inf


def _histogram(counters: Counters) -> list[tuple[float, float]]:
    """Return (upper bound in seconds, how many at most that), growing."""
    return sorted((float(bound), float(count)) for bound, count in counters.seconds.items())


def _counted(counters: Counters) -> float:
    return float(max(counters.seconds.values(), default=0))


def _above(limit: float) -> Callable[[Counters], float]:
    def count(counters: Counters) -> float:
        within = [n for bound, n in counters.seconds.items() if float(bound) <= limit]
        return _counted(counters) - max(within, default=0)

    return count


def _length(pair: Pair, bound: Bound) -> Finding:
    """Compare mean ratios, whose spread the texts' buckets tell."""
    value, spread, texts = _ratio(pair.ours.total)
    reference, their_spread, their_texts = None, 0.0, 0
    if pair.theirs is not None:
        reference, their_spread, their_texts = _ratio(pair.theirs.total)
    outside = _outside(value, reference, bound)
    if value is None or texts == 0:
        return Finding(value, reference, -inf, texts, outside)
    variance = spread**2 / texts
    if bound.kind == "max":
        evidence = beyond(value - bound.limit, variance, abs(bound.limit))
    elif bound.kind == "min":
        evidence = beyond(bound.limit - value, variance, abs(bound.limit))
    elif reference is None or their_texts == 0:
        evidence = -inf
    else:
        limit = bound.limit * reference
        variance += (bound.limit * their_spread) ** 2 / their_texts
        evidence = beyond(value - limit, variance, limit)
    return Finding(value, reference, evidence, texts, outside)


def _ratio(counters: Counters) -> tuple[float | None, float, int]:
    """Return target tokens by source tokens, the spread of a text's, and how many texts."""
    if not counters.source_tokens:
        return None, 0.0, 0
    value = counters.target_tokens / counters.source_tokens
    buckets = counters.features.get(LENGTH_RATIO, {})
    texts = sum(buckets.values())
    if not texts:
        return value, max(value, 0.1), counters.instances
    upper = sorted((float(bound), count) for bound, count in buckets.items())
    low, points = 0.0, []
    for bound, count in upper:
        points.append((2 * low if bound == inf else (low + bound) / 2, count))
        low = bound
    mean = sum(x * n for x, n in points) / texts
    variance = sum((x - mean) ** 2 * n for x, n in points) / texts
    return value, max(variance**0.5, 0.1 * value), texts


def restarts(ours: Window, theirs: Window | None, bound: Bound) -> Finding:
    """Compare numbers of restarts: a fact, not a sample."""
    reference = float(theirs.restarts) if theirs else None
    outside = _outside(float(ours.restarts), reference, bound)
    return Finding(float(ours.restarts), reference, inf if outside else -inf, 0, outside)


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _seconds(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def _number(value: float) -> str:
    return f"{value:.4g}"


BUILTINS: Mapping[str, Builtin] = {
    "ErrorRate": Builtin(_Fraction(_errors, answered), _percent, "requests"),
    "EmptyFraction": Builtin(
        _Fraction(lambda c: c.empty, lambda c: c.instances), _percent, "texts"
    ),
    "CopyFraction": Builtin(
        _Fraction(lambda c: c.copies, lambda c: c.instances), _percent, "texts"
    ),
    "LatencyP99": Builtin(_latency, _seconds, "requests", MIN_LATENCY),
    "LengthRatio": Builtin(_length, _number, "texts", MIN_TEXTS),
}
RESTARTS = "Restarts"  # judged by the window, not by a sample
show_number = _number
