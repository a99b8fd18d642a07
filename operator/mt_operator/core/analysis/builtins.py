"""The built-in measures: what each reads of a window, and how sure that is beyond its bound.

| measure | value | reads |
| --- | --- | --- |
| ErrorRate | fraction of requests answered 5xx, but not 503: load shed on purpose | codes |
| EmptyFraction | fraction of texts with an empty translation | instances, empty |
| CopyFraction | fraction of texts that came back as they were | instances, copies |
| LatencyP99 | seconds that 99 % of the requests answered 200 took at most | buckets of seconds |
| LengthRatio | target tokens by source tokens | tokens, buckets of lengthRatio |
| Restarts | container restarts and replaced processes | restarts |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

from mt_operator.core.analysis.evidence import Window, answered
from mt_operator.core.analysis.finding import Bound, Find, Finding, Pair
from mt_operator.core.analysis.latency import MIN_REQUESTS, latency_p99
from mt_operator.core.analysis.length import MIN_TEXTS, length_ratio
from mt_operator.core.analysis.tally import Count, above, below, more, tally
from mt_operator.core.observed import Counters

RESTARTS = "Restarts"  # counted, not tested


@dataclass(frozen=True)
class Builtin:
    """A built-in measure that is tested."""

    find: Find
    show: Callable[[float], str]
    of: str  # what it counts
    minimum: int = 1  # samples without which it never passes
    excuse: str = "chance explains"  # of a value beyond its bound that nothing proves


def number(value: float) -> str:
    """Return a number as people read it."""
    return f"{value:.4g}"


def restarts(ours: Window, theirs: Window | None, bound: Bound) -> Finding:
    """Compare numbers of restarts: a fact, not a sample."""
    found = Finding(float(ours.restarts), float(theirs.restarts) if theirs else None, -inf)
    return Finding(found.value, found.reference, inf if found.beyond(bound) else -inf)


def _share(hits: Count, total: Count) -> Find:
    """Return the measure that is the share of hits."""

    def find(pair: Pair, bound: Bound) -> Finding:
        ours = tally(pair.ours, hits, total)
        theirs = tally(pair.theirs, hits, total) if pair.theirs else None
        if not ours.total:
            evidence = -inf
        elif bound.kind == "max":
            evidence = above(ours, bound.limit)
        elif bound.kind == "min":
            evidence = below(ours, bound.limit)
        else:
            evidence = more(ours, theirs, bound.limit) if theirs and theirs.total else -inf
        against = ours.total - ours.hits if bound.kind == "min" else ours.hits
        reference = theirs.share if theirs else None
        return Finding(ours.share, reference, evidence, int(ours.total), against)

    return find


def _errors(counters: Counters) -> float:
    return sum(n for code, n in counters.codes.items() if code[:1] == "5" and code != "503")


def _answered(counters: Counters) -> float:
    return answered(counters)


def _instances(counters: Counters) -> float:
    return counters.instances


def _empty(counters: Counters) -> float:
    return counters.empty


def _copies(counters: Counters) -> float:
    return counters.copies


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _duration(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


BUILTINS: Mapping[str, Builtin] = {
    "ErrorRate": Builtin(_share(_errors, _answered), _percent, "requests"),
    "EmptyFraction": Builtin(_share(_empty, _instances), _percent, "texts"),
    "CopyFraction": Builtin(_share(_copies, _instances), _percent, "texts"),
    "LatencyP99": Builtin(
        latency_p99,
        _duration,
        "requests",
        MIN_REQUESTS,
        "chance or the histogram's buckets explain",
    ),
    "LengthRatio": Builtin(length_ratio, number, "texts", MIN_TEXTS),
}
