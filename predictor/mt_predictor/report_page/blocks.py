"""What sections are made of: tables that fold on a phone, facts, code, notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt_predictor.report_page.markup import Html, html, tag


@dataclass(frozen=True)
class Section:
    """A section of the page; ``name`` is what links lead to."""

    name: str
    title: str
    content: Html

    def html(self) -> Html:
        """Return it with its heading."""
        heading = f"{self.name}-title"
        title = tag("h2", self.title, id=heading)
        return tag("section", title, self.content, id=self.name, aria_labelledby=heading)


def section(name: str, title: str, *content: str) -> Section:
    """Return a section of ``content``."""
    return Section(name, title, html(*content))


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """Return a table; the first cell of each row is its heading.

    On a narrow screen each row becomes a block, and each cell has its column's name before it; the
    roles keep it a table for screen readers then.
    """
    names = [tag("th", name, scope="col", role="columnheader") for name in head]
    lines = [
        tag(
            "tr",
            tag("th", row[0], scope="row", role="rowheader"),
            *(
                tag("td", tag("div", cell), data_label=name if cell else None, role="cell")
                for name, cell in zip(head[1:], row[1:], strict=True)
            ),
            role="row",
        )
        for row in rows
    ]
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *names, role="row"), role="rowgroup"),
        tag("tbody", *lines, role="rowgroup"),
        role="table",
    )


def facts(pairs: Sequence[tuple[str, str]]) -> Html:
    """Return names and what they are; those that are nothing are left out."""
    cells = (tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value)
    return tag("dl", *cells)


def code(text: str) -> Html:
    """Return lines of a program; what is too wide is scrolled, also by keys."""
    lines = text.splitlines()
    return tag("pre", tag("code", *(Html(tag("span", line) + "\n") for line in lines)), tabindex=0)


def note(*content: str) -> Html:
    """Return what explains a picture or a table."""
    return tag("p", *content, class_="note")


def figure(caption: str, *content: str) -> Html:
    """Return a picture and what it shows."""
    return tag("figure", *content, tag("figcaption", caption))
