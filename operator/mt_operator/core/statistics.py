"""Tests that stay true however often one looks: evidence against "no worse than its bound".

Each function returns the natural logarithm of an e-value: a number whose expectation is at most 1
as long as the bound is kept, at any moment that one may choose to look, so that it exceeds 1/alpha
with a probability of at most alpha, ever (Ville's inequality). It is a mixture of likelihood ratios
over a few sizes of the violation, and depends on the counts alone: nothing else has to be stored.
See Ramdas, Grünwald, Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid inference"
(Statistical Science, 2023), and docs/adr/0006.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, inf, log, log1p

# Sizes of a violation that the mixtures look for: factors of the odds at the bound, with weights.
FACTORS = ((1.25, 0.15), (1.5, 0.25), (2.0, 0.25), (3.0, 0.15), (6.0, 0.1), (20.0, 0.1))
# The same for a mean: how far beyond the bound, as shares of it.
SHARES = ((0.02, 0.15), (0.05, 0.25), (0.1, 0.25), (0.25, 0.15), (0.5, 0.1), (1.0, 0.1))


def excess(hits: float, total: float, bound: float) -> float:
    """Return the evidence that more than ``bound`` of all are hits.

    Args:
        hits: how many of ``total``; may be fractional (tempered).
        total: how many there were.
        bound: the largest fraction that is good, in [0, 1].
    """
    if bound >= 1:
        return -inf
    if bound <= 0:
        return inf if hits > 0 else -inf
    terms = []
    for factor, weight in FACTORS:
        grown = 1 - bound + bound * factor  # normalises the odds
        terms.append(log(weight) + hits * log(factor) - total * log(grown))
    return log_sum(terms)


@dataclass(frozen=True)
class Stratum:
    """Hits and totals of ours and theirs over one span of time, in which the same befell both."""

    ours: float
    our_total: float
    theirs: float
    their_total: float


def split(strata: Iterable[Stratum], ratio: float) -> float:
    """Return the evidence that our fraction of hits is more than ``ratio`` times theirs.

    Given all hits of a stratum, each is ours with the probability w·ratio / (w·ratio + 1 - w) where
    w is our share of the total: so whatever hits both alike, a burst or a drift, changes nothing,
    and neither does a share that changes from one stratum to the next.

    Args:
        strata: with hits that may be fractional (tempered).
        ratio: the largest ratio of the two fractions that is good, at least 0.
    """
    grown = [log(weight) for _, weight in FACTORS]
    for part in strata:
        if part.our_total <= 0 or part.their_total <= 0:
            continue
        if ratio <= 0 and part.ours > 0:
            return inf
        weight = part.our_total * ratio
        bound = weight / (weight + part.their_total)
        for number, (factor, _) in enumerate(FACTORS):
            grown[number] += part.ours * log(factor)
            grown[number] -= (part.ours + part.theirs) * log(1 - bound + bound * factor)
    return log_sum(grown)


def beyond(distance: float, variance: float, scale: float) -> float:
    """Return the evidence that a mean lies beyond its bound.

    Args:
        distance: how far the estimate lies beyond the bound; negative within it.
        variance: of the estimate.
        scale: the size of the bound, of which violations are shares.
    """
    if variance <= 0 or scale <= 0:
        return inf if distance > 0 else -inf
    return log_sum(
        log(weight) + (share * scale * distance - (share * scale) ** 2 / 2) / variance
        for share, weight in SHARES
    )


def dispersion(
    groups: Iterable[Sequence[tuple[float, float]]], fitted: int, prior: float, trust: float
) -> float:
    """Return by how much hits clump: the variance of counts over what chance alone would give.

    Pearson's chi-square over its degrees of freedom, never below 1: within each group, the hits
    should fall on the members by their shares.

    Args:
        groups: of (hits, expected share of the group's hits, any unit).
        fitted: how many numbers the shares were fitted by.
        prior: what it is taken for where there is nothing to tell by.
        trust: how many degrees of freedom the prior weighs.
    """
    square, freedom = 0.0, -float(fitted)
    for group in groups:
        members = [(hits, share) for hits, share in group if share > 0]
        total, whole = sum(hits for hits, _ in members), sum(share for _, share in members)
        if total <= 0 or len(members) < 2:
            continue
        means = [(hits, total * share / whole) for hits, share in members]
        square += sum((hits - mean) ** 2 / mean for hits, mean in means)
        freedom += len(members) - 1
    return max(1.0, (prior * trust + square) / (trust + max(0.0, freedom)))


def quantile(cumulative: Sequence[tuple[float, float]], share: float) -> float | None:
    """Return a quantile of a histogram, interpolated in its bucket as Prometheus does.

    Args:
        cumulative: (upper bound, how many at most that), by growing bound; the last may be
            infinite, whose lower bound is returned for it.
        share: in [0, 1].

    Returns:
        The quantile in the bounds' unit, or None if the histogram is empty.
    """
    total = cumulative[-1][1] if cumulative else 0
    if total <= 0:
        return None
    low, below = 0.0, 0.0
    for bound, count in cumulative:
        if count >= share * total and count > below:
            if bound == inf:
                return low
            return low + (bound - low) * (share * total - below) / (count - below)
        low, below = bound, count
    return low


def log_sum(terms: Iterable[float]) -> float:
    """Return log(sum(exp(term))) without overflow; -inf of nothing."""
    found = list(terms)
    largest = max(found, default=-inf)
    if largest in (inf, -inf):
        return largest
    return largest + log1p(sum(exp(term - largest) for term in found) - 1)
