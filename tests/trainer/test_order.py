from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mt_trainer.order import shuffled


@given(st.integers(1, 5000), st.integers(0, 2**64), st.integers(0, 100))
def test_every_row_stands_at_exactly_one_place(count: int, seed: int, epoch: int) -> None:
    rows = shuffled(np.arange(count), count, seed, epoch)
    assert sorted(rows.tolist()) == list(range(count))


@given(st.integers(1, 10**12), st.integers(0, 2**31), st.data())
def test_a_place_is_the_same_whatever_is_asked_with_it(
    count: int, seed: int, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=20, unique=True))
    together = shuffled(np.array(places), count, seed)
    alone = [int(shuffled(np.array([place]), count, seed)[0]) for place in places]
    assert together.tolist() == alone
    assert len(set(alone)) == len(alone)
    assert all(0 <= row < count for row in alone)


def test_an_order_is_as_mixed_as_one_by_chance() -> None:
    count, parts = 40_000, 20
    for epoch in range(5):
        rows = shuffled(np.arange(count), count, 7, epoch)
        cells = (rows * parts // count) * parts + np.arange(count) * parts // count
        found = np.bincount(cells, minlength=parts**2)
        expected = count / parts**2
        # Chi-square with 361 degrees of freedom: mean 361, standard deviation 27.
        assert 250 < float(((found - expected) ** 2 / expected).sum()) < 480
        assert abs(np.corrcoef(rows, np.arange(count))[0, 1]) < 0.02
        assert abs(np.corrcoef(rows[1:], rows[:-1])[0, 1]) < 0.02


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    orders = {
        tuple(shuffled(np.arange(200), 200, *name).tolist()) for name in ((1, 0), (1, 1), (2, 0))
    }
    assert len(orders) == 3
