from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_trainer import batches

LENGTHS = st.lists(st.tuples(st.integers(2, 64), st.integers(2, 64)), min_size=1, max_size=200)


@given(LENGTHS, st.integers(1, 500), st.integers(0, 3))
def test_every_pair_stands_in_exactly_one_batch(
    pairs: list[tuple[int, int]], tokens: int, epoch: int
) -> None:
    plan = batches.plan(np.array(pairs), tokens, 7, epoch)
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(pairs)))


@given(LENGTHS, st.integers(1, 500))
def test_no_batch_of_several_pairs_is_too_large(pairs: list[tuple[int, int]], tokens: int) -> None:
    lengths = np.array(pairs)
    for rows in batches.plan(lengths, tokens, 7, 0):
        assert len(rows) == 1 or len(rows) * lengths[rows].max() <= tokens


@given(LENGTHS, st.integers(0, 2**31), st.integers(0, 5))
def test_the_same_epoch_is_the_same_again(
    pairs: list[tuple[int, int]], seed: int, epoch: int
) -> None:
    first, again = (batches.plan(np.array(pairs), 100, seed, epoch) for _ in range(2))
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in again]


def test_epochs_differ_in_order_and_in_company() -> None:
    lengths = np.full((200, 2), 10)
    first, second = (batches.plan(lengths, 100, 7, epoch) for epoch in (0, 1))
    assert {frozenset(rows.tolist()) for rows in first} != {
        frozenset(rows.tolist()) for rows in second
    }


@pytest.mark.parametrize("tokens", [1024, 4096])
def test_95_percent_of_tokens_are_real_where_there_are_enough(tokens: int) -> None:
    chance = np.random.default_rng(1)
    source = np.clip(chance.lognormal(2.9, 0.6, 40_000).astype(int), 2, 128)
    target = np.clip((source * chance.normal(0.95, 0.15, 40_000)).astype(int), 2, 128)
    lengths = np.stack([source, target], 1)
    assert batches.real_share(lengths, batches.plan(lengths, tokens, 7, 0)) >= 0.95


def test_measuring_takes_no_pair_out_of_nothing() -> None:
    assert batches.in_order(np.zeros((0, 2), int), 100) == []
