"""One normal form of text: NFC, single spaces, no control characters.

``normalize`` is applied to the corpus; ``sentencepiece_rules`` gives the same form to SentencePiece
as character rules, so that the tokenizer inside every engine normalises what it is asked to
translate just as training did.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache

_JOINERS = "\u200c\u200d"  # part of the spelling in Persian, Indic scripts and emoji
_META_SPACE = "\u2581"  # SentencePiece's own mark for a space
_PLANES = 0x40000  # above stand private use and unassigned code points only, and a few tags


def _kind(character: str) -> str | None:
    """Return what becomes of a character: a space, nothing (""), or None for itself."""
    if character.isspace() or character == _META_SPACE:
        return " "
    category = unicodedata.category(character)
    return "" if category in ("Cc", "Cf") and character not in _JOINERS else None


@cache
def _table() -> dict[int, str]:
    replaced = ((code, _kind(chr(code))) for code in range(_PLANES))
    return {code: to for code, to in replaced if to is not None}


def normalize(text: str) -> str:
    """Return ``text`` in NFC, with single spaces, none at the ends, no control characters."""
    if _is_normal(text):
        return text
    return " ".join(unicodedata.normalize("NFC", text.translate(_table())).split())


def _is_normal(text: str) -> bool:
    """Return whether nothing needs to be done, which takes a tenth of the time of doing it."""
    # Of what is no letter, mark, number or sign, Python calls nothing printable but the space.
    untidy = "  " in text or text.startswith(" ") or text.endswith(" ") or _META_SPACE in text
    return not untidy and text.isprintable() and unicodedata.is_normalized("NFC", text)


def sentencepiece_rules() -> Iterator[tuple[str, str]]:
    """Yield (from, to) of every sequence that normalisation changes; no key can hold a NUL."""
    yield from ((chr(code), to) for code, to in _table().items() if code and chr(code) != " ")
    for code in range(0x80, _PLANES):
        character = chr(code)
        decomposed = unicodedata.normalize("NFD", character)
        if decomposed == character:
            continue
        composed = unicodedata.normalize("NFC", character)
        if composed != character:
            yield character, composed
        else:
            half = unicodedata.normalize("NFC", decomposed[:-1]) + decomposed[-1]
            yield from ((form, character) for form in {decomposed, half})
