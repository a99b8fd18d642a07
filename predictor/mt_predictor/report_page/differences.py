"""Word by word: what a translation has that its reference lacks, and what a candidate changed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher

from mt_predictor.report_page.markup import Html, html, joined, tag


def words(text: str, unspaced: bool) -> list[str]:
    """Return ``text`` in words and punctuation marks, each with the space before it.

    Args:
        text: of any script.
        unspaced: whether the language puts no spaces between words: each character is one then,
            with the marks that combine with it.
    """
    found: list[str] = []
    space, inside = "", False
    for char in text:
        kind = unicodedata.category(char)[0]
        if char.isspace():
            space, inside = space + char, False
        elif inside and (kind == "M" or (kind not in "PS" and not unspaced)):
            found[-1] += char
        else:
            found.append(space + char)
            space, inside = "", kind not in "PS"
    return found


def marked(text: str, reference: str, unspaced: bool) -> Html:
    """Return ``text`` with the words marked that ``reference`` does not have there."""
    theirs, ours = words(reference, unspaced), words(text, unspaced)
    return joined(
        _element("mark", ours[begin:end])
        if kind in ("replace", "insert")
        else "".join(ours[begin:end])
        for kind, _, _, begin, end in _steps(theirs, ours)
    )


def merged(old: str, new: str, unspaced: bool) -> Html:
    """Return both texts as one: what went struck out, what came underlined."""
    before, after = words(old, unspaced), words(new, unspaced)
    parts: list[str] = []
    for kind, first, last, begin, end in _steps(before, after):
        if kind == "equal":
            parts.append("".join(after[begin:end]))
            continue
        if first < last:
            parts.append(_element("del", before[first:last]))
        if begin < end:
            parts.append(_element("ins", after[begin:end]))
    return joined(parts)


def _steps(before: list[str], after: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    old, new = ([word.strip() for word in side] for side in (before, after))
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _element(name: str, some: list[str]) -> Html:
    """Return words as an element, with the space before them outside of it."""
    text = "".join(some)
    inner = text.lstrip()
    return html(text[: len(text) - len(inner)], tag(name, inner))
