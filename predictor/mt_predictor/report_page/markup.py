"""Markup that cannot be broken by data: every text is escaped here, unless it is markup already."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from html import escape

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # categories of what is not seen, or misleads
_JOINERS = "\u200c\u200d"  # part of how Persian, Hindi and emoji are written
_EMPTY = frozenset({"meta", "line", "circle", "path"})


class Html(str):
    """Text that is markup, and stays as it is."""

    __slots__ = ()


def visible(text: str) -> str:
    """Return ``text`` with each character that cannot be seen by its number: ``⟨U+202E⟩``.

    Such a character may turn the direction of what follows, or hide a difference of two sentences.
    """
    return "".join(
        f"⟨U+{ord(char):04X}⟩"
        if unicodedata.category(char) in _HIDDEN and char not in _JOINERS
        else char
        for char in text
    )


def html(*parts: str) -> Html:
    """Return ``parts`` one after another, escaped where they are not markup."""
    return Html(
        "".join(part if isinstance(part, Html) else escape(visible(part)) for part in parts)
    )


def tag(name: str, /, *children: str, **attributes: object) -> Html:
    """Return an element.

    Args:
        name: of the element.
        children: texts and markup.
        attributes: by name, with ``_`` for ``-``, and one more at the end of a word of Python;
            those that are None are left out.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(
        f"<{name}{told}/>" if name in _EMPTY else f"<{name}{told}>{html(*children)}</{name}>"
    )


def data(text: str) -> Html:
    """Return text of unknown language, whose direction is its own and touches nothing around it."""
    return tag("bdi", text, dir="auto")


def joined(parts: Iterable[str], between: str = "") -> Html:
    """Return ``parts`` with something between them."""
    return Html(html(between).join(html(part) for part in parts))
