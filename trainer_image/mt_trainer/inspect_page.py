"""What was found in files, as one page of HTML that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from mt_trainer.inspect_table import files, kept, scripts, summary, traits
from mt_trainer.statistics import SIDES

_WIDTH, _HEIGHT, _MARGIN = 420, 120, 18  # of a histogram; room for its labels
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --paper: #ffffff; --faint: #5c6b7a;
  --line: #d5dce3; --bar: #1b6ca8; --bad: #b3261e; --note: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --paper: #14191f; --faint: #9aa8b5;
  --line: #36414c; --bar: #6db3e8; --bad: #ff8a80; --note: #f0c060 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid
  var(--line) }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
td { overflow-wrap: anywhere }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem }
svg { max-width: 100%; height: auto } rect { fill: var(--bar) }
text { fill: var(--faint); font-size: 10px }
.bad { color: var(--bad) } .note { color: var(--note) } .faint { color: var(--faint) }
"""
Found = Mapping[str, Any]


def page(found: Found, data: Sequence[str]) -> str:
    """Return the page for the document of ``inspection.inspect``.

    Args:
        found: the document.
        data: what was looked at, as it was asked for.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Text: {escape(", ".join(data))}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Text of {escape(", ".join(data))}</h1>
<p><strong>{escape(summary(found))}</strong></p>
{"".join(_notes(found))}
<h2>Files</h2>
{_files(found)}
<h2>Sentences</h2>
<div class="sides">{"".join(_side(found["statistics"][side], side) for side in SIDES)}</div>
<h3>Characters of the target to one of the source</h3>
{_histogram(found["statistics"]["characterRatio"], "ratio of characters")}
{_slices(found["testSlices"])}
<h2>Rows that are not used</h2>
{_samples(found)}
</body>
</html>
"""


def _notes(found: Found) -> Iterator[str]:
    yield from (f'<p class="bad">Violated: {escape(text)}</p>' for text in found["violations"])
    yield from (f'<p class="note">Noticed: {escape(text)}</p>' for text in found["anomalies"])


def _files(found: Found) -> str:
    rows = [
        (
            what,
            file["uri"],
            f"{file['rows']:,}",
            f"{kept(file):,}",
            "; ".join(f"{why} {number:,}" for why, number in file["rejected"].items()),
        )
        for what, file in files(found)
    ]
    return _table(("", "file", "rows", "kept", "rejected"), rows, numbers=(2, 3))


def _side(side: Mapping[str, Any], name: str) -> str:
    characters = side["characters"]
    middle = ", ".join(f"{p} {characters.get(p, 0):,}" for p in ("p5", "p50", "p95", "max"))
    told = "".join(f"<li>{escape(text)}</li>" for text in traits(side))
    return (
        f"<section><h3>{name.capitalize()}</h3>"
        f"{_histogram(characters, f'characters of a {name}')}"
        f'<p class="faint">characters: {middle}</p>'
        f"<ul><li>scripts: {escape(scripts(side))}</li>{told}</ul></section>"
    )


def _histogram(found: Mapping[str, Any], what: str) -> str:
    """Return a picture of a histogram; each bar tells its bucket and count."""
    counts, names = found["counts"], [f"≤ {bound:g}" for bound in found["bounds"]]
    names.append(f"> {found['bounds'][-1]:g}")
    most, step = max([*counts, 1]), _WIDTH / len(counts)
    parts = []
    for number, (count, name) in enumerate(zip(counts, names, strict=True)):
        height = (_HEIGHT - _MARGIN) * count / most
        parts.append(
            f'<rect x="{number * step + 1:.1f}" y="{_HEIGHT - _MARGIN - height:.1f}" '
            f'width="{step - 2:.1f}" height="{height:.1f}"><title>{name}: {count:,}</title></rect>'
        )
        if number % 2 == 0:
            middle = (number + 0.5) * step
            parts.append(
                f'<text x="{middle:.1f}" y="{_HEIGHT - 5}" text-anchor="middle">{name}</text>'
            )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="histogram: {escape(what)}">{"".join(parts)}</svg>'
    )


def _slices(slices: Mapping[str, int]) -> str:
    if not slices:
        return ""
    rows = [(name or "(none)", f"{number:,}") for name, number in sorted(slices.items())]
    return "<h2>Test rows by slice</h2>" + _table(("slice", "rows"), rows, numbers=(1,))


def _samples(found: Found) -> str:
    rows = [
        (
            why,
            f"{file['uri']} line {one['line']}",
            one.get("source", one.get("detail", "")),
            one.get("target", ""),
        )
        for _, file in files(found)
        for why, kept_rows in file["samples"].items()
        for one in kept_rows
    ]
    head = ("reason", "place", "source", "target")
    return _table(head, rows) if rows else '<p class="faint">none</p>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        kinds = [' class="number"' if i in numbers else "" for i in range(len(cells))]
        parts = (f"<{tag}{k}>{escape(c)}</{tag}>" for k, c in zip(kinds, cells, strict=True))
        return f"<tr>{''.join(parts)}</tr>"

    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"
