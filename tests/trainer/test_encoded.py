from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trainer import builders

from mt_trainer import encoded, tokenizer
from mt_trainer.encoded import Encoded
from mt_trainer.tokenizer import BOS, EOS, PAD

SENTENCES = st.lists(st.integers(4, 99), max_size=6)
PAIRS = st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=12)


def of(pairs: list[tuple[list[int], list[int]]]) -> Encoded:
    sizes = np.array([(len(source), len(target)) for source, target in pairs])
    flat = [piece for pair in pairs for side in pair for piece in side]
    starts = np.cumsum(sizes.sum(1)) - sizes.sum(1)
    return Encoded(np.array(flat, np.uint16), starts, sizes + 1, 0)


def filled(ids: list[int], width: int) -> list[int]:
    return ids + [PAD] * (width - len(ids))


@given(PAIRS, st.data())
def test_a_batch_has_each_pair_with_its_marks(
    pairs: list[tuple[list[int], list[int]]], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=9))
    batch = of(pairs).batch(np.array(rows))
    width = max(len(pairs[row][0]) for row in rows) + 1
    height = max(len(pairs[row][1]) for row in rows) + 1
    assert batch.source.tolist() == [filled([*pairs[row][0], EOS], width) for row in rows]
    assert batch.given.tolist() == [filled([BOS, *pairs[row][1]], height) for row in rows]
    assert batch.wanted.tolist() == [filled([*pairs[row][1], EOS], height) for row in rows]


def test_a_batch_of_a_fixed_shape_wants_nothing_of_the_rows_without_a_pair() -> None:
    batch = of([([5, 6], [7])]).batch(np.array([0]), (2, 4, 3))
    assert batch.source.tolist() == [[5, 6, EOS, PAD], [EOS, PAD, PAD, PAD]]
    assert batch.given.tolist() == [[BOS, 7, PAD], [BOS, PAD, PAD]]
    assert batch.wanted.tolist() == [[7, EOS, PAD], [PAD, PAD, PAD]]


@pytest.mark.parametrize("chunk", [1, 7, 8192])
def test_text_comes_back_from_its_tokens_without_what_is_over_long(
    tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoded, "_CHUNK", chunk)
    rows = builders.pairs(60)
    path = builders.write(tmp_path / "text.tsv", [*rows[:30], ("one " * 40, "unu"), *rows[30:]])
    processor = tokenizer.load(tokenizer.train(path, builders.decoded().training.vocabulary, 1))
    found = encoded.encode(path, processor, 24, tmp_path / "text.tokens")
    assert (found.pairs, found.over_long) == (60, 1)
    for i, pair in enumerate(rows):
        batch = found.batch(np.array([i]))
        said = [processor.decode(ids[0, :-1].tolist()) for ids in (batch.source, batch.wanted)]
        assert tuple(said) == pair
