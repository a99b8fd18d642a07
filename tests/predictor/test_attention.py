"""Attention of a few short sentences, or none at all: the report does without."""

from __future__ import annotations

from typing import Any

import pytest
from tests.predictor.builders import sentences

from mt_predictor import attention
from mt_predictor.engine import Attention, Engine, Hypothesis
from mt_predictor.testset import Example
from mt_predictor.translator import Translator

EXAMPLES = [Example(text, "x", None) for text in sentences(40, longest=2)]


def test_each_piece_shares_its_attention_out(translator: Translator) -> None:
    found = attention.of(translator, EXAMPLES, 2, seed=1)
    assert 1 <= len(found) <= attention.SHOWN
    for one in found:
        assert one["source"] == [*translator.engine.encode(one["text"]), "</s>"]
        assert one["translation"] == translator.engine.decode(one["target"])
        assert len(one["weights"]) == len(one["target"])
        for weights in one["weights"]:
            assert len(weights) == len(one["source"])
            assert sum(weights) == pytest.approx(1, abs=0.02)


def test_the_seed_decides_which(translator: Translator) -> None:
    first, again, other = (attention.of(translator, EXAMPLES, 2, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_long_sentences_are_not_shown(translator: Translator) -> None:
    long = [Example(" ".join([text] * 20), "x", None) for text in sentences(5)]
    assert attention.of(translator, long, 2, seed=1) == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(RuntimeError("this model has no attention"), id="an engine that cannot"),
        pytest.param((("a",), [[1.0]]), id="weights of other pieces"),
        pytest.param((("a",), None), id="the engine read other pieces"),
        pytest.param(((), []), id="an empty translation"),
    ],
)
def test_what_the_engine_does_not_tell_is_left_out(
    translator: Translator,
    monkeypatch: pytest.MonkeyPatch,
    answer: Exception | tuple[tuple[str, ...], Attention | None],
) -> None:
    def told(_: Engine, sources: list[Any], __: Any) -> list[Hypothesis]:
        if isinstance(answer, Exception):
            raise answer
        pieces, weights = answer
        return [Hypothesis(pieces, -1.0, 2, True, weights)] * len(sources)

    monkeypatch.setattr(Engine, "run", told)
    assert attention.of(translator, EXAMPLES, 2, seed=1) == []
