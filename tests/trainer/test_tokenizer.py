from __future__ import annotations

from pathlib import Path

import pytest
from tests.trainer import builders

from mt_trainer import tokenizer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return builders.write(tmp_path / "train.tsv", builders.pairs(200))


def sentences(path: Path, seed: int) -> list[str]:
    return list(tokenizer._sentences(path, seed))


def test_all_of_a_short_text_is_looked_at_in_its_order(path: Path) -> None:
    assert sentences(path, 1) == [side for pair in builders.pairs(200) for side in pair]


def test_of_a_long_text_a_sample_is_looked_at_that_the_seed_decides(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "_BYTES", path.stat().st_size // 4)
    found = sentences(path, 1)
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert len(set(pairs)) in (49, 50)
    assert [pair for pair in builders.pairs(200) if pair in pairs] == pairs
    assert sentences(path, 1) == found
    assert sentences(path, 2) != found


def test_the_same_text_makes_the_same_vocabulary(path: Path) -> None:
    wanted = builders.decoded().training.vocabulary
    assert tokenizer.train(path, wanted, 1) == tokenizer.train(path, wanted, 1)
