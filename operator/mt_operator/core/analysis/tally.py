"""Hits among what was counted, in total and by look and pod: what shares are compared by.

Hits clump: a client retries, a node stumbles, a batch fails as one. Evidence that takes them for
independent grows too fast. So counts are divided by how much they clump, measured where it shows
without looking at the difference in question: between pods of one revision at one look, and
between looks. What hits both revisions alike is no part of it, neither of the clumping nor of the
comparison, which is made look by look: both are compared over the same time and nothing else, also
where the weight changes, or production answers nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mt_operator.core.analysis.evidence import Sample
from mt_operator.core.observed import Counters
from mt_operator.core.statistics import Stratum, dispersion, excess, split

# Taken for the clumping where no two looks or pods tell, and how many degrees of freedom it weighs.
CLUMPING, TRUST = 1.5, 2.0
Count = Callable[[Counters], float]


@dataclass(frozen=True)
class Tally:
    """Hits and what they are a share of."""

    hits: float
    total: float
    looks: tuple[tuple[tuple[float, float], ...], ...] = ()  # (hits, total) by look and pod

    @property
    def share(self) -> float | None:
        """Return the share of hits, if there was anything."""
        return self.hits / self.total if self.total else None

    def by_look(self) -> list[tuple[float, float]]:
        """Return (hits, total) of each look."""
        return [(sum(h for h, _ in look), sum(t for _, t in look)) for look in self.looks]


def tally(sample: Sample, hits: Count, total: Count) -> Tally:
    """Count a sample."""
    looks = tuple(
        tuple((hits(counters), total(counters)) for counters in look.values())
        for look in sample.looks
    )
    return Tally(hits(sample.total), total(sample.total), looks)


def above(ours: Tally, limit: float) -> float:
    """Return the evidence (a logarithm) that our share is more than ``limit``."""
    groups = [*ours.looks, ours.by_look()]
    clumps = dispersion(groups, 0, CLUMPING, TRUST)
    return excess(ours.hits / clumps, ours.total / clumps, limit)


def below(ours: Tally, limit: float) -> float:
    """Return the evidence (a logarithm) that our share is less than ``limit``."""
    misses = tuple(tuple((t - h, t) for h, t in look) for look in ours.looks)
    return above(Tally(ours.total - ours.hits, ours.total, misses), 1 - limit)


def more(ours: Tally, theirs: Tally, ratio: float) -> float:
    """Return the evidence (a logarithm) that our share is more than ``ratio`` times theirs."""
    strata = _strata(ours, theirs)
    groups = [*ours.looks, *theirs.looks, *_between(ours, theirs, strata)]
    clumps = dispersion(groups, 1, CLUMPING, TRUST)
    tempered = [replace(s, ours=s.ours / clumps, theirs=s.theirs / clumps) for s in strata]
    return split(tempered, ratio)


def _strata(ours: Tally, theirs: Tally) -> list[Stratum]:
    """Return what both counted look by look, or in all where looks are not at hand."""
    pairs = list(zip(ours.by_look(), theirs.by_look(), strict=True))
    pairs = pairs or [((ours.hits, ours.total), (theirs.hits, theirs.total))]
    return [Stratum(*mine, *other) for mine, other in pairs]


def _between(
    ours: Tally, theirs: Tally, strata: Sequence[Stratum]
) -> Iterator[list[tuple[float, float]]]:
    """Yield each look's hits of both, with the shares that the whole window's ratio gives."""
    if not (ours.total and theirs.total):
        return
    rate, their_rate = (ours.hits + 0.5) / ours.total, (theirs.hits + 0.5) / theirs.total
    for part in strata:
        yield [(part.ours, part.our_total * rate), (part.theirs, part.their_total * their_rate)]
