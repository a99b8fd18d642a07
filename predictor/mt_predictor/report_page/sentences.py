"""Sections of sentences: what got better, what got worse, and some at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mt_predictor.report_page.blocks import Section, note, section
from mt_predictor.report_page.differences import marked, merged
from mt_predictor.report_page.markup import Html, data, html, tag
from mt_predictor.report_page.numbers import number, plain
from mt_predictor.scores import unspaced

Tree = Mapping[str, Any]


def extremes(document: Tree) -> list[Section]:
    """Return the sections of both ends: by the change where there is a baseline, else by score."""
    told = document.get("sentences") or {}
    changed = told.get("by") == "change"
    titles = ("What got worse", "What got better") if changed else ("Worst", "Best")
    why = "by the change of chrF against the baseline" if changed else "by chrF"
    return [
        _listed(document, name, title, told.get(key) or (), f"The first {{}} {why}.")
        for name, title, key in zip(("worse", "better"), titles, ("low", "high"), strict=True)
        if key in told
    ]


def samples(document: Tree) -> Section | None:
    """Return the section of sentences that nobody chose."""
    rows = (document.get("sentences") or {}).get("random") or ()
    told = "{} sentences drawn by the run's seed: what the model is like on the whole."
    return _listed(document, "random", "At random", rows, told) if rows else None


def _listed(document: Tree, name: str, title: str, rows: Sequence[Tree], told: str) -> Section:
    spaceless = unspaced(str((document.get("languages") or {}).get("target", "")))
    marks = html(tag("mark", "Marked"), " words stand elsewhere or not at all in the reference.")
    if any(row.get("baseline") is not None for row in rows):
        marks = html(
            marks, " From baseline to candidate: ", tag("del", "gone"), ", ", tag("ins", "new"), "."
        )
    first = note(told.format(len(rows)), " ", marks) if rows else note("None did.")
    return section(name, title, first, *(_card(row, spaceless) for row in rows))


def _card(row: Tree, spaceless: bool) -> Html:
    reference, output = str(row["reference"]), str(row["translation"])
    theirs = row.get("baseline")
    lines = [
        ("source", html(str(row["source"]))),
        ("reference", html(reference)),
        ("candidate", marked(output, reference, spaceless)),
    ]
    if theirs is not None and theirs == output:
        lines.append(("baseline", tag("i", "the same")))
    elif theirs is not None:
        lines.append(("baseline", marked(str(theirs), reference, spaceless)))
        lines.append(("change", merged(str(theirs), output, spaceless)))
    cells = (tag("div", tag("dt", name), tag("dd", data(text))) for name, text in lines)
    return tag("article", tag("h3", *_title(row)), tag("dl", *cells), class_="sentence")


def _title(row: Tree) -> list[str]:
    title: list[str] = [f"Sentence {row['number']:,}"]
    if row.get("slice") is not None:
        title += [" · ", data(str(row["slice"]))]
    score, before = number(row.get("score")), number(row.get("baselineScore"))
    if score is not None and before is not None:
        change = plain(score - before, 1, signed=True)
        title.append(tag("small", f"chrF {before:.1f} → {score:.1f} ({change})"))
    elif score is not None:
        title.append(tag("small", f"chrF {score:.1f}"))
    return title
