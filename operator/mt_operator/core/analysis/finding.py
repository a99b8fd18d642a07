"""What a measure says about one of its bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mt_contract.resource import Measure
from mt_operator.core.analysis.evidence import Sample, answered, sample
from mt_operator.core.observed import Counters


@dataclass(frozen=True)
class Bound:
    """One bound of a measure."""

    kind: str  # max | min | maxRatio
    limit: float

    def __str__(self) -> str:
        return f"{self.kind} {self.limit:g}"


@dataclass(frozen=True)
class Pair:
    """The samples that are compared: of users, or the operator's own; never mixed."""

    ours: Sample
    theirs: Sample | None  # None: there is no production

    def compared(self) -> Pair:
        """Return the pair without looks at which one of both answered nothing.

        What the candidate does once production has lost its traffic can be compared with nothing.
        """
        if self.theirs is None:
            return self
        looks = list(zip(self.ours.looks, self.theirs.looks, strict=True))
        kept = [(mine, other) for mine, other in looks if _any(mine) and _any(other)]
        if len(kept) == len(looks) or not kept:
            return self
        return Pair(sample(mine for mine, _ in kept), sample(other for _, other in kept))


@dataclass(frozen=True)
class Finding:
    """What a window says about one bound."""

    value: float | None  # the candidate's; None: nothing was measured
    reference: float | None  # production's
    evidence: float  # natural logarithm of an e-value: the larger, the surer it is beyond
    samples: int = 0  # what the value was measured of
    hits: float = 0.0  # how many of these speak against the candidate

    def beyond(self, bound: Bound) -> bool:
        """Return whether the value itself, proven or not, is beyond the bound."""
        if self.value is None:
            return False
        if bound.kind == "max":
            return self.value > bound.limit
        if bound.kind == "min":
            return self.value < bound.limit
        return self.reference is not None and self.value > bound.limit * self.reference


Find = Callable[[Pair, Bound], Finding]


def _any(look: Mapping[str, Counters]) -> bool:
    return any(map(answered, look.values()))


def bounds_of(measure: Measure) -> tuple[Bound, ...]:
    """Return the bounds that are set."""
    limits = {"max": measure.max, "min": measure.min, "maxRatio": measure.max_ratio}
    return tuple(Bound(kind, float(limit)) for kind, limit in limits.items() if limit is not None)
