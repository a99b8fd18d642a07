"""Sections of how the model came to be: its learning curve, and the text that it learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mt_predictor.report_page.blocks import Section, facts, figure, note, section, table
from mt_predictor.report_page.markup import Html, data, html, tag
from mt_predictor.report_page.numbers import NOTHING, number, plain, ticks
from mt_predictor.report_page.plots import Scale, Series, curves, histogram, legend

Tree = Mapping[str, Any]


def learning(document: Tree) -> Section | None:
    """Return the section of the learning curve."""
    told = document.get("learning") or {}
    series = [
        Series(kind, points, marks=marks and len(points) <= 60)
        for kind, key, marks in (
            ("training", "training", False),
            ("validation", "validation", True),
        )
        if (points := [(float(step), float(loss)) for step, loss in told.get(key) or ()])
    ]
    steps = [x for one in series for x, _ in one.points]
    if not steps or min(steps) == max(steps):
        return None
    first, last = min(steps), max(steps)
    # Room for the numbers of the levels at the left, and for half a mark at the right.
    across = Scale(first - 0.07 * (last - first), last + 0.02 * (last - first))
    names = [(value, plain(value)) for value in ticks(first, last)]
    picture = curves(series, "loss by step", across, names)
    key = legend(*((one.kind, f"{one.kind} loss") for one in series))
    told_best = ""
    if validation := [one.points for one in series if one.kind == "validation"]:
        step, loss = min(validation[0], key=lambda point: point[1])
        told_best = f" Best validation loss: {loss:.4f} at step {plain(step)}."
    caption = f"Loss (nats per token) by step of training.{told_best}"
    return section("learning", "Learning curve", key, figure(caption, picture))


def dataset(document: Tree) -> Section | None:
    """Return the section of the training data."""
    told = document.get("data") or {}
    content = [
        facts([(_words(key), _value(value)) for key, value in (told.get("facts") or {}).items()]),
        _anomalies(told.get("anomalies") or ()),
        _counts("Rows left out, by reason", told.get("rejected") or {}),
        _counts("Rows repaired, by reason", told.get("repaired") or {}),
        *(_numbers(name, rows) for name, rows in (told.get("tables") or {}).items()),
        _histograms(told.get("histograms") or {}),
        _files(told.get("files") or ()),
    ]
    return section("data", "Training data", *content) if told else None


def _words(key: str) -> str:
    """Return a key of JSON as words: ``rejectedPairs`` as ``rejected pairs``."""
    return "".join(f" {char.lower()}" if char.isupper() else char for char in key).strip()


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    found = None if isinstance(value, str) else number(value)
    if found is not None:
        return _number(found)
    text = data(str(value))
    return tag("code", text) if str(value).startswith("sha256:") else text


def _number(value: float) -> str:
    return plain(value) if value == int(value) else f"{value:,.4g}"


def _anomalies(found: Sequence[str]) -> Html:
    if not found:
        return note("Nothing odd was noticed in it.")
    items = (tag("li", data(str(text))) for text in found)
    return html(tag("h3", "Noticed"), tag("ul", *items, class_="anomalies"))


def _counts(caption: str, counts: Tree) -> Html:
    most = max((float(count) for count in counts.values()), default=0)
    if not most:
        return html()
    rows = [
        [
            data(reason),
            plain(float(count)),
            tag("span", class_="bar", style=f"--w:{float(count) / most:.3f}"),
        ]
        for reason, count in sorted(counts.items(), key=lambda item: -float(item[1]))
    ]
    return table(caption, ["reason", "rows", "share"], rows)


def _numbers(name: str, rows: Mapping[str, Tree]) -> Html:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    cells = [
        [data(side), *(_value(row.get(key, NOTHING)) for key in columns)]
        for side, row in rows.items()
    ]
    return table(_words(name).capitalize(), ["side", *columns], cells)


def _histograms(found: Mapping[str, Tree]) -> Html:
    pictures = (
        figure(
            f"{_words(name)}: {plain(sum(map(float, one['counts'])))} values, by upper bound",
            histogram(one["bounds"], one["counts"], f"how {_words(name)} is spread"),
        )
        for name, one in found.items()
    )
    return tag("div", *pictures, class_="grid") if found else html()


def _files(files: Sequence[Tree]) -> Html:
    if not files:
        return html()
    rows = [
        [
            tag("code", data(str(one.get("uri", "")))),
            _value(one.get("rows", NOTHING)),
            _value(one.get("rejected", NOTHING)),
        ]
        for one in files
    ]
    return table("Files", ["file", "rows", "left out"], rows)
