from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sentencepiece.sentencepiece_model_pb2 import ModelProto
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


def processor(scores: dict[str, float], kind: int = 1) -> Any:
    model = ModelProto()
    model.trainer_spec.model_type = kind
    for piece, score, type_ in (("<unk>", 0.0, 2), *((p, s, 1) for p, s in scores.items())):
        model.pieces.add(piece=piece, score=score, type=type_)
    model.normalizer_spec.name = "identity"
    return tokenizer.load(model.SerializeToString())


@pytest.mark.parametrize(
    ("scores", "text", "ambiguous"),
    [
        pytest.param({"\u2581": -1, "na": -2, "nana": -3}, "nanana", True, id="the same pieces"),
        pytest.param(
            {"\u2581": -1, "a": -1, "b": -2, "ab": -4, "c": -1, "bc": -2},
            "abc",
            False,
            id="a best way",
        ),
        pytest.param({"\u2581": -1, "ab": -2, "a": -1, "b": -1}, "ab", True, id="equal sums"),
        pytest.param({"\u2581": -1, "a": -1}, "a", False, id="one way"),
    ],
)
def test_a_text_is_ambiguous_if_two_spellings_are_as_probable(
    scores: dict[str, float], text: str, ambiguous: bool
) -> None:
    assert tokenizer.is_ambiguous(processor(scores), text) == ambiguous


def test_byte_pairs_are_never_ambiguous(path: Path) -> None:
    wanted = builders.decoded({"training": {"vocabulary": {"algorithm": "BPE"}}})
    made = tokenizer.load(tokenizer.train(path, wanted.training.vocabulary, 1))
    assert not tokenizer.is_ambiguous(made, "one one one")
