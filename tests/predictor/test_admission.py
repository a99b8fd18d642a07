"""Who may come in, by the work that waits."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt_predictor.admission import Pace, ahead, retry_after


@pytest.mark.parametrize(
    ("left", "work", "expected"),
    [
        pytest.param([], 100, 0, id="nobody"),
        pytest.param([1_000_000], 10, 10, id="a book is before a sentence for its length only"),
        pytest.param([1_000_000, 5], 10, 15, id="a shorter one is before it as a whole"),
        pytest.param([400, 400], 1000, 800, id="all is before a longer one"),
    ],
)
def test_what_is_before_a_request(left: list[int], work: int, expected: int) -> None:
    assert ahead(left, work) == expected


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        pytest.param(0.0, 1, id="at least a second"),
        pytest.param(3.2, 4, id="whole ones"),
        pytest.param(1e9, 60, id="at most a minute"),
    ],
)
def test_when_to_come_back(seconds: float, told: int) -> None:
    assert retry_after(seconds) == told


def test_the_pace_is_that_of_late_batches() -> None:
    pace = Pace()
    for _ in range(3):
        pace = pace.after(10_000, 1.0)
    assert pace.seconds_for(10_000, 1) == pytest.approx(1.0, rel=0.05)  # the guess is forgotten
    assert pace.seconds_for(10_000, 2) == pytest.approx(0.5, rel=0.05)
    for _ in range(30):
        pace = pace.after(1_000, 1.0)
    assert pace.seconds_for(1_000, 1) == pytest.approx(1.0, rel=0.1)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=400), st.integers(1, 10**5))
def test_what_is_admitted_is_bounded_whatever_comes(asked: list[int], most: int) -> None:
    """The first may be a book; of all others there is no more than ``most`` times a logarithm.

    The k-th largest of them has k - 1 before it that are as long: it is most / (k - 1) at most, but
    for the one that it is let in with.
    """
    inside: list[int] = []
    for work in asked:
        if ahead(inside, work) <= most:
            inside.append(work)
    inside.sort(reverse=True)
    for before, work in enumerate(inside):
        assert before * work <= most
