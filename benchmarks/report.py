"""What a benchmark found: a table for people, JSON for machines, a picture."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "benchmarks"  # the same picture of the same numbers

from matplotlib.figure import Figure as MplFigure  # noqa: E402 - the backend is chosen before
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One number that is promised or worth knowing; without a goal it is only told."""

    figure: str
    unit: str
    median: float
    min: float
    max: float
    goal: str | None = None
    met: bool | None = None


@dataclass(frozen=True)
class Result:
    """All of a benchmark."""

    name: str
    setup: Mapping[str, Any]
    figures: Sequence[Figure]
    packages: Sequence[str] = ()  # whose versions matter


def figure(
    name: str, unit: str, values: Sequence[float], goal: str = "", pooled: float | None = None
) -> Figure:
    """Return a figure from its rounds.

    Args:
        name: of the figure.
        unit: of its values.
        values: one a round.
        goal: "<= 0.5" or ">= 20"; empty: none.
        pooled: over all rounds together, where that says more than the rounds' median.
    """
    ranked = sorted(float(value) for value in values)
    median = ranked[len(ranked) // 2] if pooled is None else pooled
    met = None
    if goal:
        sign, limit = goal.split()
        met = median <= float(limit) if sign == "<=" else median >= float(limit)
    return Figure(name, unit, median, ranked[0], ranked[-1], goal or None, met)


def publish(result: Result, rows: Sequence[Sequence[str]], picture: MplFigure) -> None:
    """Print the table, and write JSON and picture below ``results/``."""
    RESULTS.mkdir(exist_ok=True)
    content = {
        "name": result.name,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in result.packages},
        "setup": result.setup,
        "figures": [asdict(each) for each in result.figures],
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (RESULTS / f"{result.name}.json").write_text(text + "\n", encoding="utf-8")
    picture.savefig(RESULTS / f"{result.name}.svg", bbox_inches="tight", metadata={"Date": None})
    console = Console(width=120)
    console.print(_table(f"{result.name}: details", rows[0], rows[1:]))
    head = ("figure", "unit", "value", "min", "max", "goal", "met")
    told = [
        (f.figure, f.unit, *(f"{x:.4g}" for x in (f.median, f.min, f.max)), f.goal or "", _met(f))
        for f in result.figures
    ]
    console.print(_table(result.name, head, told))


def machine() -> str:
    """Return what this ran on."""
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, {_cpu()}, {platform.system()}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def _met(found: Figure) -> str:
    return {None: "", True: "yes", False: "NO"}[found.met]


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title)
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number < 2 else "right")
    for row in rows:
        table.add_row(*row)
    return table
