"""The section of attention: which pieces of the source each piece of a translation looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mt_predictor.report_page.blocks import Section, note, section
from mt_predictor.report_page.markup import Html, data, tag


def attention(document: Mapping[str, Any]) -> Section | None:
    """Return the section, if the engine told its attention."""
    found = document.get("attention") or ()
    if not found:
        return None
    told = note(
        "Each row is a piece of the translation, each column one of the source (▁ begins a word); "
        "a cell is how much of the row's attention went there, in percent. It is what "
        "the engine tells of its cross-attention: a look at the model, not a proof of anything."
    )
    maps = (
        tag(
            "div", _map(one), class_="scroll", tabindex=0, role="region", aria_label="attention map"
        )
        for one in found
    )
    return section("attention", "Attention", told, tag("div", *maps, class_="grid"))


def _map(one: Mapping[str, Any]) -> Html:
    source: Sequence[str] = one["source"]
    head = [tag("td"), *(tag("th", tag("span", data(piece)), scope="col") for piece in source)]
    lines = (
        tag("tr", tag("th", data(piece), scope="row"), *map(_cell, weights))
        for piece, weights in zip(one["target"], one["weights"], strict=True)
    )
    caption = tag("caption", data(str(one["text"])), " → ", data(str(one["translation"])))
    return tag("table", caption, tag("tr", *head), *lines, class_="heat")


def _cell(weight: float) -> Html:
    share = min(max(float(weight), 0.0), 1.0)
    return tag("td", f"{100 * share:.0f}", style=f"--w:{share:.2f}")
