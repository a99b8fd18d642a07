"""What was found in files, for people: tables on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mt_trainer.statistics import SIDES, TRAITS

_BARS = "▁▂▃▄▅▆▇█"
_NAMES = {
    "nearEmpty": "near empty",
    "digits": "with digits",
    "urls": "with addresses",
    "htmlTags": "with tags",
    "otherScripts": "other scripts",
}
_PERCENTILES = ("min", "p5", "p50", "p95", "max")
Found = Mapping[str, Any]


def show(found: Found, stream: TextIO) -> None:
    """Print the document of ``inspection.inspect``."""
    if not stream.isatty():
        stream.writelines(f"{line}\n" for line in lines(found))
        return
    console = Console(file=stream, highlight=False)
    console.print(_files(found))
    console.print(_sides(found["statistics"]))
    for anomaly in found["anomalies"]:
        console.print(f"[yellow]noticed[/] {escape(anomaly)}")
    for violation in found["violations"]:
        console.print(f"[bold red]violated[/] {escape(violation)}")
    console.print(summary(found))


def lines(found: Found) -> Iterator[str]:
    """Yield all of it, a line a fact."""
    for what, file in files(found):
        yield f"{what} {file['uri']}: {file['rows']:,} rows, {kept(file):,} kept"
        for why, number in file["rejected"].items():
            yield f"  {why}: {number:,} (first: {file['first'][why]})"
        for why, number in file["repaired"].items():
            yield f"  repaired, {why}: {number:,}"
    for part, number in sorted(found["testSlices"].items()):
        yield f"test slice {part or '(none)'}: {number:,} rows"
    for side in SIDES:
        own = found["statistics"][side]
        characters = own["characters"]
        middle = ", ".join(f"{p} {characters.get(p, 0):,}" for p in _PERCENTILES)
        yield f"{side}: characters {middle}  {sparkline(characters['counts'])}"
        yield f"{side}: scripts {scripts(own)}"
        yield from (f"  {trait}" for trait in traits(own))
    ratio = found["statistics"]["characterRatio"]
    yield f"target to source, characters: {sparkline(ratio['counts'])}"
    yield from (f"noticed: {anomaly}" for anomaly in found["anomalies"])
    yield from (f"VIOLATED: {violation}" for violation in found["violations"])
    yield summary(found)


def summary(found: Found) -> str:
    """Return the last word: what can be learned from, and whether it may."""
    number = len(found["violations"])
    judged = f"{number} checks violated" if number > 1 else f"{number} check violated"
    return (
        f"{found['pairs']:,} usable pairs in {found['rows']:,} training rows; "
        f"{judged if number else 'all checks hold'}"
    )


def files(found: Found) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what each file is for, and what was found in it."""
    for what in ("train", "validation", "test"):
        name = "files" if what == "train" else f"{what}Files"
        yield from ((what, file) for file in found[name])


def kept(file: Mapping[str, Any]) -> int:
    """Return how many rows of a file are used."""
    return int(file["rows"] - sum(file["rejected"].values()))


def sparkline(counts: Sequence[int]) -> str:
    """Return a bar a bucket; a bucket that holds anything has one."""
    most = max(counts, default=0)
    return "".join(_BARS[(count * len(_BARS) - 1) // most] if count else " " for count in counts)


def scripts(side: Mapping[str, Any]) -> str:
    """Return the scripts of a side, the most frequent one first."""
    total = sum(side["scripts"].values())
    ranked = sorted(side["scripts"].items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {number / total:.1%}" for name, number in ranked) or "none"


def traits(side: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many sentences of a side have each trait, with the first."""
    for trait in (*TRAITS, "otherScripts"):
        if number := side[trait]["count"]:
            share, place = side[trait]["share"], side[trait]["first"]
            yield f"{_NAMES[trait]}: {number:,} ({share:.1%}; first: {place})"


def _files(found: Found) -> Table:
    table = Table("", "file", title="files", title_justify="left")
    for head in ("rows", "kept"):
        table.add_column(head, justify="right")
    table.add_column("rejected (first)")
    for what, file in files(found):
        why = [f"{why} {n:,} ({file['first'][why]})" for why, n in file["rejected"].items()]
        why += [f"repaired {why} {n:,}" for why, n in file["repaired"].items()]
        numbers = (f"{file['rows']:,}", f"{kept(file):,}")
        table.add_row(what, escape(file["uri"]), *numbers, escape("\n".join(why)))
    return table


def _sides(statistics: Mapping[str, Any]) -> Table:
    sides = [statistics[side] for side in SIDES]
    table = Table("", *SIDES, title="text", title_justify="left")
    table.add_row("characters", *[sparkline(side["characters"]["counts"]) for side in sides])
    for p in _PERCENTILES:
        table.add_row(f"  {p}", *[f"{side['characters'].get(p, 0):,}" for side in sides])
    table.add_row("scripts", *[scripts(side) for side in sides])
    table.add_row("sentences", *[escape("\n".join(traits(side))) for side in sides])
    table.add_row("ratio", "", sparkline(statistics["characterRatio"]["counts"]))
    return table
