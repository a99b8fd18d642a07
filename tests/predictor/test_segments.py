"""Text is cut for the model and joined again, and nothing is lost, whatever the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt_predictor.segments import WORD, Segment, byte_pieces, join, split
from mt_predictor.translator import Translator


def encode(text: str) -> list[str]:
    """Tokens as SentencePiece makes them: one a word, two for long words, none for blanks."""
    pieces = []
    for word in text.split():
        pieces += [WORD + word[:4]] + ([word[4:]] if word[4:] else [])
    return pieces


def decode(pieces: tuple[str, ...]) -> str:
    return "".join(pieces).replace(WORD, " ").strip()


def echo(text: str, limit: int) -> tuple[str, list[Segment]]:
    """Cut ``text``, translate each segment by itself into itself, and join."""
    plan = tuple(split(text, encode, limit))
    found = [part for part in plan if isinstance(part, Segment)]
    return join(plan, [decode(segment.pieces) for segment in found]), found


words = st.text("abçé.!?,;。\uff01 \n\t…", max_size=80)


@settings(max_examples=300, deadline=None)
@given(text=words | st.text(max_size=60), limit=st.integers(2, 9))
def test_every_word_comes_back_in_order_and_every_segment_fits(text: str, limit: int) -> None:
    joined, found = echo(text, limit)
    # Cutting within a word glues its halves again; blanks may come between Chinese sentences.
    assert "".join(joined.split()) == "".join(text.split())
    assert all(0 < len(segment.pieces) <= limit for segment in found)


LINE_END = "[\r\n\v\f\x85\u2028\u2029]"
pages = st.lists(
    st.sampled_from(
        ["\n", "\r\n", "\n\n", "\u2028", "\f", "a b. C", "Oi!", "\uff01甲。乙", " ", "x" * 9]
    ),
    max_size=12,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(text=words | pages, limit=st.integers(2, 9))
def test_lines_stay_lines_and_hold_what_they_held(text: str, limit: int) -> None:
    joined, _ = echo(text, limit)
    assert re.findall(LINE_END, joined) == re.findall(LINE_END, text)
    lines, expected = re.split(LINE_END, joined), re.split(LINE_END, text)
    assert ["".join(line.split()) for line in lines] == ["".join(line.split()) for line in expected]
    assert len(joined.split()) >= len(text.split())  # a cut may part words, and joins none


@settings(max_examples=100, deadline=None)
@given(text=words | pages | st.text(max_size=60), limit=st.integers(8, 40))
def test_no_character_is_lost_by_the_models_own_tokens(
    translator: Translator, text: str, limit: int
) -> None:
    """What is cut and what is not come to the same, bytes of unknown characters as well."""
    engine = translator.engine
    plan = tuple(split(text, engine.encode, limit))
    pieces = [part.pieces for part in plan if isinstance(part, Segment)]
    joined = join(plan, [engine.decode(segment) for segment in pieces])
    whole = (engine.decode(tuple(engine.encode(line))) for line in re.split(LINE_END, text))
    assert "".join(joined.split()) == "".join("".join(whole).split())
    assert all(0 < len(segment) <= limit for segment in pieces)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        pytest.param("one two. Three four.", 9, ["one two. Three four."], id="short: uncut"),
        pytest.param("one two. Three.", 3, ["one two.", "Three."], id="long: by sentence"),
        pytest.param("one\n\ntwo", 9, ["one", "two"], id="lines always"),
        pytest.param("a b, c d e f", 5, ["a b,", "c d e f"], id="after a comma first"),
        pytest.param("a b c d e", 4, ["a b c", "d e"], id="else before a word"),
        pytest.param("cf. a lot. Yes", 3, ["cf. a lot.", "Yes"], id="no end before a small letter"),
        pytest.param('a "b c." D e', 3, ['a "b c."', "D e"], id="quotes close with the sentence"),
        pytest.param("甲乙。丙丁。戊", 2, ["甲乙。", "丙丁。", "戊"], id="no white space"),
        pytest.param("", 3, [], id="empty"),
        pytest.param(" \t ", 3, [], id="blank"),
    ],
)
def test_where_it_is_cut(text: str, limit: int, expected: list[str]) -> None:
    def tokens(part: str) -> list[str]:
        if re.search("[一-鿿]", part):
            return [WORD + part] if len(part) < 4 else list(part)
        return encode(part)

    parts = [part for part in split(text, tokens, limit) if isinstance(part, Segment)]
    assert [decode(part.pieces) for part in parts] == expected


def test_a_character_of_bytes_is_not_cut_through() -> None:
    pieces = ["x"] * 2 + [f"<0x{byte:02X}>" for byte in "語語".encode()]
    parts = [part for part in split("x", lambda _: pieces, 5) if isinstance(part, Segment)]
    assert [len(part.pieces) for part in parts] == [2, 3, 3]


def test_bytes_are_told_from_other_pieces() -> None:
    assert byte_pieces(["<0xE3>", "<", "<0x", "a", "</s>", "<0x0A>"]) == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("." * 200_000, id="full stops"),
        pytest.param('."' * 100_000, id="full stops and quotes"),
        pytest.param(" " * 200_000, id="spaces"),
        pytest.param("\n" * 200_000, id="line ends"),
        pytest.param("a" * 200_000, id="one word"),
        pytest.param("a." * 100_000, id="no space after"),
    ],
)
def test_hostile_text_is_looked_at_once(text: str) -> None:
    """Counted, not timed: what is encoded grows with the text, not with its square."""
    looked_at = 0

    def counting(part: str) -> list[str]:
        nonlocal looked_at
        looked_at += len(part)
        return [part[i : i + 4] for i in range(0, len(part), 4)]

    for _ in split(text, counting, 31):
        pass
    assert looked_at <= 2 * len(text)
