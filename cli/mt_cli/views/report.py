"""One run: how far it is, what it was made from, and what its gates said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from mt_cli.cluster import condition, holds, name_of, status_of
from mt_cli.output import Block, Cell, Facts, Mood, Table, Text
from mt_cli.words import age, size, span, verdict
from mt_contract.codec import parse_time

Tree = Mapping[str, Any]


def describe(run: Tree, now: datetime) -> tuple[Block, ...]:
    """Return a run in blocks."""
    return (
        _facts(run, now),
        *_data(run),
        *_recipe(run),
        *_scores(run),
        *_gates(run),
        *_files(run),
    )


def _facts(run: Tree, now: datetime) -> Facts:
    status, spec = status_of(run), run.get("spec") or {}
    model = (spec.get("modelRef") or {}).get("name", "none: an experiment")
    usage = status.get("usage") or {}
    inputs = status.get("inputs") or {}
    return Facts(
        (
            ("run", f"{run['metadata'].get('namespace')}/{name_of(run)}"),
            ("model", str(model)),
            ("cause", str(status.get("cause", ""))),
            ("state", _state(run)),
            ("blessed", _blessed(run)),
            ("starts from", (inputs.get("parent") or {}).get("run", "")),
            ("data compared with", (inputs.get("previous") or {}).get("run", "")),
            ("began", _ago(status.get("startTime"), now)),
            ("took", took(status)),
            ("processor time", span(usage["cpuSeconds"]) if usage.get("cpuSeconds") else ""),
            ("GPU time", span(usage["gpuSeconds"]) if usage.get("gpuSeconds") else ""),
        )
    )


def _state(run: Tree) -> str | Cell:
    for kind in ("Failed", "Stalled"):
        entry = condition(run, kind)
        if entry.get("status") == "True":
            return Cell(f"{kind}: {entry.get('reason')}: {entry.get('message')}", Mood.BAD)
    if holds(run, "Succeeded"):
        return "over"
    entry = condition(run, "Reconciling")
    return str(entry.get("message") or "the operator has not seen it yet")


def _blessed(run: Tree) -> str | Cell:
    entry = condition(run, "Blessed")
    if not entry:
        return ""
    good = entry.get("status") == "True"
    word = "yes" if good else "no"
    return Cell(f"{word}: {entry.get('message')}", Mood.GOOD if good else Mood.BAD)


def took(status: Tree) -> str:
    """Return how long a run took from its start to its end; empty if it has not ended."""
    start, end = status.get("startTime"), status.get("completionTime")
    if not start or not end:
        return ""
    return span((parse_time(str(end)) - parse_time(str(start))).total_seconds())


def _ago(text: object, now: datetime) -> str:
    since = age(text, now)
    return f"{since} ago" if since else ""


def _data(run: Tree) -> tuple[Block, ...]:
    dataset = status_of(run).get("dataset") or {}
    if not dataset:
        return ()
    anomalies: Sequence[str] = dataset.get("anomalies") or ()
    return (
        Facts(
            (
                ("pairs", str(dataset.get("pairs", ""))),
                ("left out", str(dataset.get("rejectedPairs", ""))),
                ("digest", str(dataset.get("digest", ""))),
                ("odd", "; ".join(str(line) for line in anomalies)),
            ),
            title="data",
        ),
    )


def _recipe(run: Tree) -> tuple[Block, ...]:
    rows = tuple(flat(recipe_of(run)))
    return (Facts(rows, title="recipe"),) if rows else ()


def recipe_of(run: Tree) -> dict[str, Any]:
    """Return what decides a run's outcome: its recipe and the engine that it was judged with."""
    status = status_of(run)
    recipe = dict(status.get("recipe") or {})
    engine = (status.get("inputs") or {}).get("engine")
    return recipe | ({"serving": engine} if engine else {})


def flat(tree: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield every value of a tree by its path: ``training.optimizer.warmupSteps``, ``4000``."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from flat(value, f"{above}.{key}" if above else str(key))
    elif isinstance(tree, list) and any(isinstance(item, Mapping) for item in tree):
        for number, item in enumerate(tree):
            yield from flat(item, f"{above}[{number}]")
    elif isinstance(tree, list):
        yield above, ", ".join(str(item) for item in tree)
    else:
        yield above, str(tree)


def _scores(run: Tree) -> tuple[Block, ...]:
    evaluation = status_of(run).get("evaluation") or {}
    found, baseline = evaluation.get("scores") or {}, evaluation.get("baseline") or {}
    if not found:
        return ()
    against: Mapping[str, str] = baseline.get("scores") or {}
    signatures: Mapping[str, str] = evaluation.get("signatures") or {}
    names = sorted(found)
    rows = tuple(
        (name, str(found[name]), str(against.get(name, "")), str(signatures.get(name, "")))
        for name in names
    )
    other = f"baseline {baseline['run']}" if baseline.get("run") else "baseline"
    return (Table(("score", "this run", other, "signature"), rows, title="scores"),)


def _gates(run: Tree) -> tuple[Block, ...]:
    evaluation = status_of(run).get("evaluation") or {}
    gates: Sequence[Tree] = evaluation.get("gates") or ()
    if not gates:
        return ()
    rows = tuple(gate_row(gate) for gate in gates)
    columns = ("gate", "metric", "slice", "rule", "value", "interval", "verdict", "why")
    table = Table(columns, rows, title="gates")
    return (table, Facts((("verdict", verdict(str(evaluation.get("verdict", "")))),)))


def gate_row(gate: Tree) -> tuple[str | Cell, ...]:
    """Return a judged gate as a row."""
    return (
        str(gate.get("name", "")),
        str(gate.get("metric", "")),
        str(gate.get("slice") or ""),
        str(gate.get("rule", "")),
        str(gate.get("value") or ""),
        interval(gate),
        verdict(str(gate.get("verdict", ""))),
        str(gate.get("message") or "") if gate.get("verdict") != "Passed" else "",
    )


def interval(gate: Tree) -> str:
    """Return the interval of a gate's difference: ``+0.1 to +1.3``."""
    bounds: Sequence[Any] = gate.get("interval") or ()
    return " to ".join(str(bound) for bound in bounds)


def _files(run: Tree) -> tuple[Block, ...]:
    status, name = status_of(run), name_of(run)
    artifact, report = status.get("artifact") or {}, (status.get("evaluation") or {}).get("report")
    inputs = status.get("inputs") or {}
    facts = Facts(
        (
            ("folder", str(inputs.get("folder", ""))),
            ("model", str(artifact.get("uri", ""))),
            ("size", size(artifact.get("sizeBytes"))),
            ("digest", str(artifact.get("digest", ""))),
            ("report", page_of(str(report)) if report else ""),
        ),
        title="files",
    )
    if any(value for _, value in facts.pairs):
        return (facts,)
    return (Text(f"No files yet. `kubectl translation logs {name} --follow` shows its Jobs."),)


def page_of(report: str) -> str:
    """Return where the page for people stands: beside the report for programs."""
    return f"{report.removesuffix('.json')}.html" if report.endswith(".json") else report
