from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_trainer import schema, statistics
from mt_trainer.statistics import Statistics

LETTERS = st.text(st.characters(exclude_characters="\t\n", exclude_categories=["Cs"]), max_size=12)
PAIRS = st.lists(st.tuples(LETTERS, LETTERS), min_size=1, max_size=30)


def of(pairs: Sequence[tuple[str, str]], parts: int = 1) -> dict[str, Any]:
    found = Statistics()
    for rows in np.array_split(np.arange(len(pairs)), parts):
        found.add("".join("{}\t{}\n".format(*pairs[row]) for row in rows), rows)
    return found.document(lambda row: f"line {row + 1}")


@given(PAIRS, st.integers(1, 5))
def test_it_does_not_matter_how_the_text_is_cut(pairs: list[tuple[str, str]], parts: int) -> None:
    assert of(pairs) == of(pairs, parts)


@given(PAIRS)
def test_every_character_is_counted_once(pairs: list[tuple[str, str]]) -> None:
    found = of(pairs)
    for side, name in enumerate(statistics.SIDES):
        texts = [pair[side] for pair in pairs]
        assert sum(found[name]["characterKinds"].values()) == sum(map(len, texts))
        assert found[name]["characters"]["max"] == max(map(len, texts))
        assert found[name]["characters"]["min"] == min(map(len, texts))
        assert sum(found[name]["characters"]["counts"]) == len(pairs)
        digits = sum(any(c.isnumeric() and not c.isalpha() for c in text) for text in texts)
        assert found[name]["digits"]["count"] == digits


@pytest.mark.parametrize(
    ("text", "script"),
    [
        pytest.param("Olá, mundo!", "Latin", id="letters with accents"),
        pytest.param("Привет, world", "Cyrillic", id="more of one than of another"),
        pytest.param("世界", "Han", id="ideographs"),
        pytest.param("こんにちは", "Hiragana", id="kana"),
        pytest.param("안녕하세요", "Hangul", id="Hangul"),
        pytest.param("नमस्ते दुनिया", "Devanagari", id="letters with marks"),
        pytest.param("\uff57\uff49\uff44\uff45", "Latin", id="full width"),
        pytest.param("123 !?", None, id="no letter at all"),
    ],
)
def test_the_script_of_a_sentence_is_that_of_most_of_its_letters(
    text: str, script: str | None
) -> None:
    assert of([(text, "x")])["source"]["scripts"] == ({script: 1} if script else {})


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        pytest.param("See https://example.org", {"urls"}, id="an address"),
        pytest.param("See www.example.org, twice www.x.org", {"urls"}, id="addresses without http"),
        pytest.param("a <b>bold</b> word", {"htmlTags"}, id="tags"),
        pytest.param("it is < 3 and > 1", {"digits"}, id="signs that are no tags"),
        pytest.param("no", {"nearEmpty"}, id="two letters"),
        pytest.param("in ٣ days", {"digits"}, id="other digits"),
        pytest.param("plain text", set(), id="nothing of note"),
    ],
)
def test_what_a_sentence_holds_is_told_with_its_line(text: str, traits: set[str]) -> None:
    found = of([("some words", "some more"), ("some words", text)])["target"]
    for trait in statistics.TRAITS:
        told = {"count": 1, "share": 0.5, "first": "line 2"}
        assert found[trait] == (told if trait in traits else {"count": 0, "share": 0.0})


def test_percentiles_are_those_of_the_numbers() -> None:
    chance = np.random.default_rng(1)
    values = chance.poisson(20, 1000)
    found = statistics.lengths(np.bincount(values), (10, 20, 30))
    for p in (1, 5, 50, 95, 99):
        assert found[f"p{p}"] == np.percentile(values, p, method="inverted_cdf")
    assert found["mean"] == round(values.mean(), 2)
    assert found["counts"] == [
        int(((values > low) & (values <= high)).sum())
        for low, high in ((-1, 10), (10, 20), (20, 30), (30, 999))
    ]


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        pytest.param([("one word", "слово")] * 99, [], id="nothing of note"),
        pytest.param(
            [("one word", "слово")] * 99 + [("one word", "not translated")],
            ["1.0% of targets are mostly in another script than Cyrillic (first: line 100)"],
            id="a target in the source's script",
        ),
        pytest.param(
            [("one word", "слово")] * 96 + [("<p>a word</p>", "слово")] * 4,
            ["4.0% of sources hold HTML tags (first: line 97)"],
            id="tags that were left in",
        ),
        pytest.param(
            [("世界の人", "the world")] * 50 + [("カタカナ", "the word")] * 50,
            [],
            id="a language of several scripts",
        ),
        pytest.param(
            [("some words", "слово")] * 90 + [("ok", "да")] * 10,
            [
                "10.0% of sources have at most two characters (first: line 91)",
                "10.0% of targets have at most two characters (first: line 91)",
            ],
            id="sentences of two letters",
        ),
    ],
)
def test_what_does_not_fit_is_named(pairs: list[tuple[str, str]], told: list[str]) -> None:
    found = of(pairs)
    assert list(schema.anomalies(found, schema.infer(found), None)) == told


def test_a_script_that_the_last_run_did_not_have_is_named() -> None:
    before = schema.infer(of([("one", "один")] * 100))
    now = of([("one", "один")] * 80 + [("one", "ένα")] * 20)
    expected = schema.infer(now)
    assert expected["target"]["scripts"] == ["Cyrillic", "Greek"]
    assert list(schema.anomalies(now, expected, before)) == [
        "targets in Greek, which the last run's text had none or little of"
    ]
