"""Sections of what was measured: scores, gates, slices, lengths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mt_predictor.report_page import numbers
from mt_predictor.report_page.blocks import Section, figure, note, section, table
from mt_predictor.report_page.markup import Html, data, html, joined, tag
from mt_predictor.report_page.numbers import NOTHING, TO, number, score, span
from mt_predictor.report_page.plots import Scale, Series, Whisker, curves, legend, scale, whiskers

Tree = Mapping[str, Any]
_RULE = re.compile(r"(minDelta|maxDelta|min|max) (-?[0-9]+(?:\.[0-9]+)?)")
_SHOWN = 24  # slices in pictures


def parts(document: Tree) -> dict[str | None, Tree]:
    """Return all sentences (None) and slices, by name."""
    return {part.get("slice"): part for part in document.get("parts") or ()}


def whisker(found: Tree, kind: str) -> Whisker | None:
    """Return one side of what was measured: candidate, baseline or delta."""
    told = found.get(kind) or {}
    value, low, high = (number(told.get(name)) for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return None
    return Whisker(kind, value, low, high)


def words(metric: str, one: Whisker | None) -> Html:
    """Return a number, and its interval beneath."""
    if one is None:
        return html(NOTHING)
    signed = one.kind == "delta"
    value = tag("span", score(metric, one.value, signed=signed), class_="value")
    if one.low == one.high:
        return value
    bounds = span(metric, one.low, one.high, signed=signed)
    return html(value, " ", tag("span", bounds, class_="interval"))


def scores(document: Tree) -> Section | None:
    """Return the section of scores: candidate and baseline, and their difference."""
    part = parts(document).get(None)
    if not part:
        return None
    compared = any(whisker(found, "baseline") for found in part["metrics"].values())
    head = ["metric", "candidate", *(["baseline", "difference"] if compared else []), "pictured"]
    rows = [_score_row(metric, found, compared) for metric, found in part["metrics"].items()]
    entries = [("candidate", "candidate")]
    if compared:
        entries += [("baseline", "baseline"), ("delta", "difference, with zero dotted")]
    return section(
        "scores",
        "Scores",
        legend(*entries),
        table("Every metric over all test sentences, with intervals", head, rows),
        note(
            f"Intervals hold {_percent(document)} of the scores of "
            f"{document.get('resamples', 0):,} test sets drawn from this one (paired bootstrap): "
            "how far chance in the choice of sentences may move a number. ",
            "Where the interval of a difference holds zero, this test set cannot tell candidate "
            "and baseline apart."
            if compared
            else "There was no baseline to compare with.",
        ),
    )


def _percent(document: Tree) -> str:
    share = number(document.get("confidence"))
    return "most" if share is None else f"{100 * share:g} %"


def _score_row(metric: str, found: Tree, compared: bool) -> list[str]:
    sides = [whisker(found, kind) for kind in ("candidate", "baseline", "delta")]
    told = [words(metric, side) for side in (sides if compared else sides[:1])]
    name = html(tag("b", metric), " ", tag("small", numbers.BETTER.get(metric, "")))
    return [name, *told, _pictured(metric, sides)]


def _pictured(metric: str, sides: Sequence[Whisker | None]) -> Html:
    """Return the picture of both scores, and beneath it that of their difference."""
    if len({x for side in sides[:2] if side for x in (side.low, side.high)}) < 2:
        return tag("small", "the same in every resample")
    both = [side for side in sides[:2] if side]
    found = []
    if both:
        across = scale([x for side in both for x in (side.low, side.value, side.high)])
        told = ", ".join(f"{side.kind} {score(metric, side.value)}" for side in both)
        found.append(whiskers(across, both, f"{metric}: {told}"))
    if len(sides) > 2 and (delta := sides[2]):
        across = scale([0.0, delta.low, delta.high])
        told = f"{metric} differs by {score(metric, delta.value, signed=True)}"
        found.append(whiskers(across, [delta], told, zero=True))
    return tag("div", *found, class_="pictures")


def gates(document: Tree) -> Section | None:
    """Return the section of gates; where none were named, of what was asked for."""
    named = document.get("gates") or ()
    if not named:
        return _asked_for(document)
    found = parts(document)
    rows = [
        _gate_row(gate, found.get(gate.get("slice")), rule)
        for gate in named
        for rule in str(gate.get("rule", "")).split(", ")
    ]
    head = ["gate", "sentences", "rule", "measured", "pictured"]
    return section(
        "gates",
        "Gates",
        table("What each gate asks for, and what was measured", head, rows),
        note(
            "The line is the bound, the tinted side is allowed. A bound of a score (min, max) "
            "judges the score itself; a bound of a difference (minDelta, maxDelta) asks for the "
            "whole interval to be on the tinted side. The operator alone judges, by the bounds of "
            "its own: ",
            tag("code", f"kubectl translation report {document.get('run', 'RUN')}"),
            " tells the verdict.",
        ),
    )


def _gate_row(gate: Tree, part: Tree | None, rule: str) -> list[str]:
    metric = str(gate.get("metric", ""))
    name = html(data(str(gate.get("name", ""))), " ", tag("small", metric, _of(gate)))
    found = (part or {}).get("metrics", {}).get(metric)
    if part is None or not found:
        return [name, NOTHING, rule, "not measured: no such sentences in the test data", ""]
    match = _RULE.fullmatch(rule)
    one = whisker(found, "delta" if match and match[1].endswith("Delta") else "candidate")
    pictured = html()
    if match and one:
        bound = float(match[2])
        across = scale([bound, one.low, one.value, one.high])
        told = f"{metric} {score(metric, one.value)}, bound {rule}"
        pictured = whiskers(across, [one], told, (bound, match[1].startswith("min")))
    measured = words(metric, one) if one else html("no baseline to differ from")
    return [name, f"{part['examples']:,}", rule, measured, pictured]


def _of(gate: Tree) -> Html:
    return html(" of ", data(str(gate["slice"]))) if gate.get("slice") else html()


def _asked_for(document: Tree) -> Section | None:
    rows = (document.get("result") or {}).get("comparisons") or ()
    if not rows:
        return None
    cells = [
        [
            html(tag("b", str(row["metric"])), " ", tag("small", _of(row))),
            f"{row['examples']:,}",
            str(row["value"]),
            f"{row['delta']} ({row['low']} to {row['high']})" if row.get("delta") else NOTHING,
        ]
        for row in rows
    ]
    head = ["metric", "sentences", "value", "against the baseline"]
    caption = "The numbers that gates ask for; the operator judges them"
    return section("gates", "What the gates ask for", table(caption, head, cells))


def slices(document: Tree) -> Section | None:
    """Return the section of slices, in numbers and as a picture of the chrF of each."""
    told: Tree = document.get("slices") or {}
    if not told:
        return None
    found = parts(document)
    largest = sorted(told, key=lambda name: -told[name]["examples"])
    metrics = list(dict.fromkeys(m for one in told.values() for m in one["scores"]))
    rows = [
        [
            data(name),
            f"{told[name]['examples']:,}",
            *(score(m, float(told[name]["scores"][m])) for m in metrics),
        ]
        for name in largest[: 2 * _SHOWN]
    ]
    more = len(told) - len(rows)
    return section(
        "slices",
        "Slices",
        table("Scores of each slice, the largest first", ["slice", "sentences", *metrics], rows),
        note(f"{more:,} smaller slices are in report.json.") if more > 0 else "",
        _slice_plot({name: found[name] for name in largest if name in found}),
    )


def _slice_plot(found: Mapping[str | None, Tree]) -> Html:
    rows = [
        (
            name,
            [
                side
                for kind in ("candidate", "baseline")
                if (side := whisker(part["metrics"]["chrF"], kind))
            ],
        )
        for name, part in list(found.items())[:_SHOWN]
    ]
    ends = [x for _, sides in rows for side in sides for x in (side.low, side.high)]
    if not ends:
        return html()
    across = scale(ends, 0.06)
    items = [
        tag(
            "div",
            tag("div", data(str(name)), class_="name"),
            whiskers(across, sides, f"chrF of {name}"),
            class_="lane",
        )
        for name, sides in rows
    ]
    entries = [("candidate", "candidate"), ("baseline", "baseline")]
    key = legend(*entries[: max(len(sides) for _, sides in rows)])
    return figure("chrF of each slice, with intervals, all on one scale.", key, *items)


def lengths(document: Tree) -> Section | None:
    """Return the section of scores by source length."""
    told = document.get("lengths") or {}
    bins: Sequence[Tree] = told.get("bins") or ()
    if not bins:
        return None
    names = [_range(one) for one in bins]
    series = list(_length_series(bins))
    key = legend(*((one.kind, one.kind) for one in series))
    picture = curves(
        series,
        f"{told['metric']} by source length",
        Scale(-0.5, len(bins) - 0.5),
        list(enumerate(names)),
        [int(one["examples"]) for one in bins],
    )
    rows = [
        [
            name,
            f"{one['examples']:,}",
            *(words(told["metric"], whisker(one, s.kind)) for s in series),
        ]
        for name, one in zip(names, bins, strict=True)
    ]
    head = [str(told["unit"]), "sentences", *(one.kind for one in series)]
    return section(
        "lengths",
        "By length",
        key,
        figure(
            f"{told['metric']} by the length of the source in {told['unit']}; bands are intervals, "
            "bars below are sentences.",
            picture,
        ),
        tag(
            "details",
            tag("summary", "The same in numbers"),
            table(f"{told['metric']} by source length", head, rows),
        ),
    )


def _length_series(bins: Sequence[Tree]) -> Iterator[Series]:
    for kind in ("baseline", "candidate"):
        found = [(place, one) for place, part in enumerate(bins) if (one := whisker(part, kind))]
        if found:
            points = [(float(place), one.value) for place, one in found]
            yield Series(kind, points, [(one.low, one.high) for _, one in found])


def _range(one: Tree) -> str:
    if one.get("longest") is None:
        return f"{one['shortest']}+"
    return f"{one['shortest']}{TO}{one['longest']}"


def signatures(document: Tree) -> Html:
    """Return the table of sacreBLEU's signatures, by which scores can be compared with others'."""
    told: Tree = (document.get("result") or {}).get("signatures") or {}
    rows = [[metric, tag("code", str(text))] for metric, text in told.items()]
    head = ["metric", "sacreBLEU signature"]
    return table("Signatures of the scores", head, rows) if rows else joined(())
