"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from mt_cli.cluster import name_of, status_of
from mt_cli.output import Block, Cell, Mood, Table
from mt_cli.views.report import flat, interval, recipe_of, took
from mt_cli.words import size, span

Tree = Mapping[str, Any]
LOWER_IS_BETTER = frozenset({"TER", "EmptyFraction", "CopyFraction"})
NEITHER_IS_BETTER = frozenset({"LengthRatio"})


@dataclass(frozen=True)
class Difference:
    """A value of the recipe that is not the same in both runs; empty: not there."""

    path: str
    one: str
    two: str


@dataclass(frozen=True)
class Comparison:
    """Two runs, and where their recipes differ."""

    one: Tree
    two: Tree
    differences: tuple[Difference, ...]


def compare(one: Tree, two: Tree) -> Comparison:
    """Return two runs with what is different in what they were made from."""
    left, right = dict(flat(recipe_of(one))), dict(flat(recipe_of(two)))
    paths = list(dict.fromkeys([*left, *right]))
    differences = tuple(
        Difference(path, left.get(path, ""), right.get(path, ""))
        for path in paths
        if left.get(path) != right.get(path) and path != "digest"
    )
    return Comparison(one, two, differences)


def blocks(found: Comparison) -> tuple[Block, ...]:
    """Return a comparison in blocks."""
    names = (name_of(found.one), name_of(found.two))
    recipes = tuple((d.path, d.one, d.two) for d in found.differences)
    same = "Their recipes, data names and engines are the same."
    return (
        Table(("", *names, "difference"), tuple(_scores(found)), title="scores", empty=_NO_SCORES),
        Table(("gate", *names), tuple(_gates(found)), title="gates", empty="No gate was judged."),
        Table(("", *names), tuple(_facts(found)), title="data, time, size"),
        Table(("recipe", *names), recipes, title="what is different", empty=same),
    )


_NO_SCORES = "Neither has scores yet."


def _evaluation(run: Tree) -> Tree:
    found: Tree = status_of(run).get("evaluation") or {}
    return found


def _scores(found: Comparison) -> Iterator[tuple[str | Cell, ...]]:
    left: Tree = _evaluation(found.one).get("scores") or {}
    right: Tree = _evaluation(found.two).get("scores") or {}
    for name in sorted({*left, *right}):
        one, two = str(left.get(name, "")), str(right.get(name, ""))
        yield name, one, two, _change(name, one, two)


def _change(metric: str, one: str, two: str) -> Cell:
    try:
        change = Decimal(two) - Decimal(one)
    except InvalidOperation:
        return Cell("")
    text = f"{change:+f}"
    if not change or metric in NEITHER_IS_BETTER:
        return Cell(text)
    better = (change < 0) is (metric in LOWER_IS_BETTER)
    return Cell(text, Mood.GOOD if better else Mood.BAD)


def _gates(found: Comparison) -> Iterator[tuple[str | Cell, ...]]:
    left, right = _judged(found.one), _judged(found.two)
    for name in dict.fromkeys([*left, *right]):
        yield name, left.get(name, ""), right.get(name, "")


def _judged(run: Tree) -> dict[str, str]:
    gates: Sequence[Tree] = _evaluation(run).get("gates") or ()
    return {str(gate.get("name")): _gate(gate) for gate in gates}


def _gate(gate: Tree) -> str:
    bounds = interval(gate)
    value = f"{gate.get('value') or ''}" + (f" ({bounds})" if bounds else "")
    return f"{gate.get('verdict')}: {value}, {gate.get('rule')}"


def _facts(found: Comparison) -> Iterator[tuple[str, str, str]]:
    for label, of in _FACTS:
        one, two = of(status_of(found.one)), of(status_of(found.two))
        if one or two:
            yield label, one, two


def _text(*path: str) -> Any:
    def of(status: Tree) -> str:
        value: Any = status
        for key in path:
            value = (value or {}).get(key)
        return "" if value is None else str(value)

    return of


def _processor(status: Tree) -> str:
    seconds = (status.get("usage") or {}).get("cpuSeconds")
    return span(seconds) if seconds else ""


_FACTS: tuple[tuple[str, Any], ...] = (
    ("cause", _text("cause")),
    ("verdict", _text("evaluation", "verdict")),
    ("pairs", _text("dataset", "pairs")),
    ("left out", _text("dataset", "rejectedPairs")),
    ("data digest", lambda status: _text("dataset", "digest")(status)[:19]),
    ("took", took),
    ("processor time", _processor),
    ("size", lambda status: size((status.get("artifact") or {}).get("sizeBytes"))),
)
