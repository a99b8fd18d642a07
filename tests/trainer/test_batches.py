from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_trainer import batches, packing, shapes
from mt_trainer.encoded import Encoded
from mt_trainer.tokenizer import BOS, EOS, PAD

LENGTHS = st.lists(st.tuples(st.integers(2, 64), st.integers(2, 64)), min_size=1, max_size=200)


@pytest.fixture(autouse=True)
def _small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "POOL", 50)


def realistic(count: int) -> np.ndarray:
    chance = np.random.default_rng(1)
    source = np.clip(chance.lognormal(2.9, 0.6, count).astype(int), 2, 128)
    target = np.clip((source * chance.normal(0.95, 0.15, count)).astype(int), 2, 128)
    return np.stack([source, target], 1)


def everything(pairs: list[tuple[int, int]]) -> list[int]:
    return list(range(len(pairs)))


def listed(plan: object) -> list[object]:
    return [np.asarray(rows).tolist() for rows in plan]  # type: ignore[attr-defined]


@given(LENGTHS, st.integers(1, 500), st.integers(0, 3))
def test_every_pair_stands_in_exactly_one_batch(
    pairs: list[tuple[int, int]], tokens: int, epoch: int
) -> None:
    lengths = np.array(pairs)
    assert sorted(np.concatenate(list(batches.plan(lengths, tokens, 7, epoch)))) == everything(
        pairs
    )
    assert sorted(np.concatenate(list(batches.in_order(lengths, tokens)))) == everything(pairs)


@given(LENGTHS, st.integers(1, 500))
def test_no_batch_of_several_pairs_is_too_large(pairs: list[tuple[int, int]], tokens: int) -> None:
    lengths = np.array(pairs)
    for rows in batches.plan(lengths, tokens, 7, 0):
        assert len(rows) == 1 or len(rows) * lengths[rows].max() <= tokens


@given(LENGTHS, st.integers(0, 2**31), st.integers(0, 5), st.integers(0, 300))
def test_an_epoch_that_is_gone_on_with_has_the_rest_of_its_batches(
    pairs: list[tuple[int, int]], seed: int, epoch: int, done: int
) -> None:
    lengths = np.array(pairs)
    whole = listed(batches.plan(lengths, 100, seed, epoch))
    assert listed(batches.plan(lengths, 100, seed, epoch, done)) == whole[done:]


def test_epochs_differ_in_order_and_in_company() -> None:
    lengths = np.full((200, 2), 10)
    first, second = (batches.plan(lengths, 100, 7, epoch) for epoch in (0, 1))
    assert {frozenset(rows.tolist()) for rows in first} != {
        frozenset(rows.tolist()) for rows in second
    }


@pytest.mark.parametrize("tokens", [1024, 4096])
def test_95_percent_of_tokens_are_real_where_there_are_enough(
    tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "POOL", 1 << 17)
    lengths = realistic(40_000)
    assert batches.real_share(lengths, batches.plan(lengths, tokens, 7, 0)) >= 0.96


@pytest.mark.parametrize(
    ("pool", "least", "most"),
    [
        pytest.param(1 << 17, 1.0, 1.0, id="exactly for a single pool"),
        pytest.param(1000, 0.97, 1.03, id="nearly for many"),
    ],
)
def test_the_steps_of_an_epoch_are_known_beforehand(
    pool: int, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "POOL", pool)
    lengths = realistic(20_000)
    told = batches.steps(lengths, 1024, 7)
    assert least <= told / len(list(batches.plan(lengths, 1024, 7, 0))) <= most


def test_measuring_takes_no_pair_out_of_nothing() -> None:
    assert list(batches.in_order(np.zeros((0, 2), int), 100)) == []
    assert batches.steps(np.zeros((0, 2), int), 100, 7) == 0


@given(LENGTHS, st.integers(64, 500), st.integers(1, 4))
def test_rows_of_a_fixed_shape_hold_every_pair_once_and_overflow_nowhere(
    pairs: list[tuple[int, int]], tokens: int, multiple: int
) -> None:
    lengths = np.array(pairs)
    shape = shapes.choose(shapes.histogram(lengths), tokens, multiple)
    plan = list(shapes.plan(lengths, shape, 7, 0))
    assert sorted(np.concatenate(plan)) == everything(pairs)
    for some in plan:
        row = packing.rows(lengths[some], shape.source, shape.target)
        assert row.max() < shape.rows
        for number in range(shape.rows):
            assert (lengths[some][row == number].sum(0) <= (shape.source, shape.target)).all()
        assert shape.rows % multiple == 0
        assert shape.rows * max(shape.source, shape.target) <= tokens or shape.rows == multiple


@given(LENGTHS, st.integers(0, 300))
def test_shapes_go_on_where_they_were(pairs: list[tuple[int, int]], done: int) -> None:
    lengths = np.array(pairs)
    shape = shapes.choose(shapes.histogram(lengths), 200)
    whole = listed(shapes.plan(lengths, shape, 7, 1))
    rest = listed(shapes.plan(lengths, shape, 7, 1, done))
    assert rest == whole[done:]


@pytest.mark.parametrize("tokens", [2048, 4096, 8192])
def test_95_percent_of_tokens_are_real_in_a_fixed_shape(
    tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "POOL", 1 << 17)
    lengths = realistic(20_000)
    counts = shapes.histogram(lengths)
    shape = shapes.choose(counts, tokens, multiple=8)
    share = shapes.real_share(lengths, shape, shapes.plan(lengths, shape, 7, 0))
    assert share >= 0.95
    assert shapes.filled(counts, shape) == pytest.approx(share, abs=0.02)  # but for the last one


def test_a_row_has_as_much_room_for_sources_and_targets_as_they_need() -> None:
    lengths = np.stack([np.full(1000, 10), np.full(1000, 20)], 1)
    shape = shapes.choose(shapes.histogram(lengths), 4096, multiple=8)
    assert shape.target == 2 * shape.source
    assert shape.rows * shape.target <= 4096


def test_rows_of_pairs_one_behind_the_other() -> None:
    pairs = [([5, 6], [7]), ([8], [9, 10]), ([11], [12])]
    flat = np.array([piece for pair in pairs for side in pair for piece in side], np.uint16)
    text = Encoded(flat, np.array([0, 3, 6]), np.array([(3, 2), (2, 3), (2, 2)]), 0)
    batch = text.batch(np.array([1, 0, 2]), (3, 6, 6))
    assert batch.source.tolist() == [
        [8, EOS, 5, 6, EOS, PAD],
        [11, EOS, PAD, PAD, PAD, PAD],
        [EOS, PAD, PAD, PAD, PAD, PAD],
    ]
    assert batch.given.tolist() == [
        [BOS, 9, 10, BOS, 7, PAD],
        [BOS, 12, PAD, PAD, PAD, PAD],
        [BOS, PAD, PAD, PAD, PAD, PAD],
    ]
    assert batch.wanted.tolist() == [
        [9, 10, EOS, 7, EOS, PAD],
        [12, EOS, PAD, PAD, PAD, PAD],
        [PAD] * 6,
    ]
