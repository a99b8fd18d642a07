from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trainer import builders

from mt_corpus import text
from mt_trainer import tokenizer


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tokenizer.load(builders.text(tmp_path_factory.mktemp("text"))[1])


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        pytest.param("plain words", "plain words", id="what is normal stays"),
        pytest.param(
            "  two\t spaces\u00a0 here\n", "two spaces here", id="white space becomes one"
        ),
        pytest.param("Ola\u0301", "Ol\u00e1", id="an accent joins its letter"),
        pytest.param("e\u0302\u0301", "\u1ebf", id="two accents join their letter"),
        pytest.param("\u1112\u1161\u11ab", "\ud55c", id="a syllable of Hangul is put together"),
        pytest.param("a\u00adb\u200b\ufeffc\x07", "abc", id="control characters go"),
        pytest.param("\u212b", "\u00c5", id="the sign of the unit is the letter"),
        pytest.param("\u2581a\u2581b", "a b", id="the tokenizer's own space is a space"),
        pytest.param("\u06a9\u200c\u06a9", "\u06a9\u200c\u06a9", id="a joiner is spelling"),
        pytest.param("Loading…", "Loading…", id="compatibility characters stay"),
    ],
)
def test_corpus_and_tokenizer_have_one_normal_form(raw: str, normal: str, processor: Any) -> None:
    assert text.normalize(raw) == normal
    assert processor.normalize(raw).replace("\u2581", " ").strip() == normal


@given(st.text())
def test_normal_form_is_nfc_and_final(raw: str) -> None:
    normal = text.normalize(raw)
    assert text.normalize(normal) == normal
    assert unicodedata.is_normalized("NFC", normal)
    assert normal == " ".join(normal.split())


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_tokenizer_leaves_the_normal_form_alone(processor: Any, raw: str) -> None:
    normal = text.normalize(raw)
    assert processor.normalize(normal).replace("\u2581", " ").strip() == normal
