"""Tests that one may look at as often as one likes: what they promise, simulated on fixed seeds."""

from __future__ import annotations

from math import inf, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_operator.core.statistics import (
    Stratum,
    beyond,
    dispersion,
    excess,
    log_sum,
    quantile,
)
from mt_operator.core.statistics import split as split_by

LOOKS, TRIALS = 100, 120


def split(ours: float, our_total: float, theirs: float, their_total: float, ratio: float) -> float:
    return split_by([Stratum(ours, our_total, theirs, their_total)], ratio)


def _hits(chance: Random, total: int, rate: float) -> int:
    return sum(chance.random() < rate for _ in range(total))


@pytest.mark.parametrize(
    ("rate", "weight"),
    [
        pytest.param(0.02, 0.1, id="a small share of rare errors"),
        pytest.param(0.3, 0.1, id="a small share of many errors"),
        pytest.param(0.1, 0.5, id="an even share"),
    ],
)
def test_at_the_bound_evidence_hardly_ever_crosses_its_line_in_a_hundred_looks(
    rate: float, weight: float
) -> None:
    chance, alpha, ratio = Random(7), 0.05, 1.5
    crossed = 0
    for _ in range(TRIALS):
        ours = our_total = theirs = their_total = 0
        highest = -inf
        for _ in range(LOOKS):
            now = _hits(chance, 10, weight)
            our_total, their_total = our_total + now, their_total + 10 - now
            ours += _hits(chance, now, rate * ratio)
            theirs += _hits(chance, 10 - now, rate)
            highest = max(highest, split(ours, our_total, theirs, their_total, ratio))
        crossed += highest >= log(1 / alpha)
    assert crossed / TRIALS <= alpha


def test_at_an_absolute_bound_evidence_hardly_ever_crosses_its_line() -> None:
    chance, alpha, bound = Random(11), 0.05, 0.05
    crossed = 0
    for _ in range(TRIALS):
        hits, highest = 0, -inf
        for look in range(1, LOOKS + 1):
            hits += _hits(chance, 10, bound)
            highest = max(highest, excess(hits, 10 * look, bound))
        crossed += highest >= log(1 / alpha)
    assert crossed / TRIALS <= alpha


def test_a_mean_at_its_bound_hardly_ever_crosses_its_line() -> None:
    chance, alpha, spread = Random(5), 0.05, 0.3
    crossed = 0
    for _ in range(TRIALS):
        total, highest = 0.0, -inf
        for look in range(1, LOOKS + 1):
            total += sum(chance.gauss(1.0, spread) for _ in range(5))
            seen = 5 * look
            highest = max(highest, beyond(total / seen - 1.0, spread**2 / seen, 1.0))
        crossed += highest >= log(1 / alpha)
    assert crossed / TRIALS <= alpha


def test_errors_that_hit_both_alike_are_no_evidence() -> None:
    calm = split(20, 1000, 180, 9000, 1.5)
    outage = split(20 + 500, 2000, 180 + 4500, 18000, 1.5)
    assert outage < calm < 0


def test_a_burst_while_ours_had_more_of_the_traffic_is_no_evidence() -> None:
    calm, outage = Stratum(20, 1000, 180, 9000), Stratum(2000, 10_000, 0, 0)
    shared = Stratum(1600, 8000, 400, 2000)
    assert split_by([calm, outage], 1.5) == split_by([calm], 1.5)
    assert split_by([calm, shared], 1.5) < split_by([calm], 1.5)
    assert split(1620, 9000, 580, 11_000, 1.5) > log(1e6)  # what pooling would make of it


def test_a_rate_beyond_the_bound_is_found_by_a_few_thousand_requests() -> None:
    assert split(90, 1800, 324, 16200, 1.5) > log(600)
    assert excess(90, 1800, 0.02) > log(600)


ratios = st.floats(0.1, 10)


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.data(), ratios)
def test_more_errors_of_ours_are_more_evidence(
    our_total: int, their_total: int, data: st.DataObject, ratio: float
) -> None:
    ours = data.draw(st.integers(0, our_total - 1))
    theirs = data.draw(st.integers(0, their_total))
    less = split(ours, our_total, theirs, their_total, ratio)
    assert split(ours + 1, our_total, theirs, their_total, ratio) >= less


@given(st.integers(1, 10_000), st.data(), st.floats(1, 10))
def test_equal_counts_are_never_evidence(total: int, data: st.DataObject, ratio: float) -> None:
    hits = data.draw(st.integers(0, total))
    assert split(hits, total, hits, total, ratio) <= 1e-9


@given(st.integers(1, 10_000), st.data())
def test_fewer_hits_than_the_bound_are_never_evidence(total: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, total))
    bound = data.draw(st.floats(max(1e-9, hits / total), 1))
    assert excess(hits, total, bound) <= 1e-9


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(excess(0, 100, 0), -inf, id="nothing where nothing is allowed"),
        pytest.param(excess(1, 100, 0), inf, id="one where nothing is allowed"),
        pytest.param(excess(100, 100, 1), -inf, id="all where all is allowed"),
        pytest.param(split(1, 10, 0, 10, 0), inf, id="one where no ratio is allowed"),
        pytest.param(split(5, 10, 0, 0, 1.5), 0.0, id="nothing to compare with"),
        pytest.param(split(0, 0, 5, 10, 1.5), 0.0, id="nothing of ours"),
        pytest.param(beyond(0.1, 0.0, 1.0), inf, id="a certain mean beyond"),
        pytest.param(beyond(-0.1, 0.0, 1.0), -inf, id="a certain mean within"),
        pytest.param(log_sum([]), -inf, id="the sum of nothing"),
    ],
)
def test_at_the_edges(found: float, expected: float) -> None:
    assert found == expected


@given(st.lists(st.floats(-1000, 1000), min_size=1))
def test_a_sum_of_logarithms_is_between_its_largest_term_and_that_many(terms: list[float]) -> None:
    total = log_sum(terms)
    assert max(terms) - 1e-9 <= total <= max(terms) + log(len(terms)) + 1e-9


def test_independent_hits_do_not_clump() -> None:
    chance = Random(3)
    groups = [[(_hits(chance, 500, 0.05), 500.0) for _ in range(4)] for _ in range(40)]
    assert dispersion(groups, 0, 2.0, 2.0) == pytest.approx(1, abs=0.25)


def test_hits_that_come_by_fives_clump_five_times() -> None:
    chance = Random(3)
    groups = [[(5 * _hits(chance, 100, 0.05), 100.0) for _ in range(4)] for _ in range(60)]
    assert dispersion(groups, 0, 2.0, 2.0) == pytest.approx(5, abs=1.5)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param([], 2.0, id="nothing was seen: the prior"),
        pytest.param([[(3.0, 1.0)]], 2.0, id="one pod tells nothing"),
        pytest.param([[(0.0, 1.0), (0.0, 1.0)]], 2.0, id="no hits tell nothing"),
        pytest.param([[(5.0, 1.0), (5.0, 1.0)]] * 100, 1.0, id="never below chance"),
    ],
)
def test_clumping_without_much_to_go_by(
    groups: list[list[tuple[float, float]]], expected: float
) -> None:
    assert dispersion(groups, 0, 2.0, 2.0) == expected


@pytest.mark.parametrize(
    ("cumulative", "share", "expected"),
    [
        pytest.param([], 0.5, None, id="an empty histogram"),
        pytest.param([(0.1, 0.0), (inf, 0.0)], 0.5, None, id="no observations"),
        pytest.param([(0.1, 0.0), (0.2, 10.0), (inf, 10.0)], 0.5, 0.15, id="within a bucket"),
        pytest.param([(0.1, 10.0), (0.2, 10.0), (inf, 10.0)], 0.99, 0.099, id="in the first one"),
        pytest.param([(0.1, 5.0), (inf, 10.0)], 0.99, 0.1, id="beyond the last bound"),
    ],
)
def test_quantile(
    cumulative: list[tuple[float, float]], share: float, expected: float | None
) -> None:
    assert quantile(cumulative, share) == (
        expected if expected is None else pytest.approx(expected)
    )
