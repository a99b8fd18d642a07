"""runs: every training of a model, and what became of it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mt_cli.cluster import condition, holds, name_of, status_of
from mt_cli.command import Command, model_name
from mt_cli.errors import Code
from mt_cli.output import Answer, Cell, Mood, Table, listed
from mt_cli.session import Session
from mt_cli.words import age, scores, verdict

Tree = Mapping[str, Any]
COLUMNS = ("run", "cause", "state", "scores", "verdict", "fate", "age")


def run(session: Session, args: Namespace) -> Code:
    """List the runs of a model, the newest first."""
    model = session.cluster.model(args.name)
    runs, now = session.cluster.runs(args.name), session.now()
    rows = tuple(_row(model, found, now) for found in runs)
    empty = f"{args.name} has no run yet: `kubectl translation status {args.name}` says why."
    session.out.show(Answer(listed(runs), (Table(COLUMNS, rows, empty=empty),)))
    return Code.DONE


def _row(model: Tree, found: Tree, now: datetime) -> tuple[str | Cell, ...]:
    status = status_of(found)
    evaluation = status.get("evaluation") or {}
    return (
        name_of(found),
        str(status.get("cause", "")),
        state(found),
        scores(evaluation.get("scores")),
        verdict(str(evaluation.get("verdict", ""))),
        fate(model, name_of(found)),
        age(found["metadata"].get("creationTimestamp"), now),
    )


def state(found: Tree) -> str:
    """Return how far a run is: ``training 42 %``, ``succeeded``, ``failed: data invalid``."""
    if holds(found, "Succeeded"):
        return "succeeded"
    for kind in ("Failed", "Stalled"):
        if holds(found, kind):
            return f"{kind.lower()}: {condition(found, kind).get('reason')}"
    reason = condition(found, "Reconciling").get("reason")
    progress = status_of(found).get("progress") or {}
    percent = progress.get("progressPercentage")
    if reason == "Training" and percent is not None:
        return f"training {percent} %"
    return str(reason or "waiting for the operator").lower()


def fate(model: Tree, name: str) -> str | Cell:
    """Return what a run is, or was, to its model."""
    status = status_of(model)
    if (status.get("production") or {}).get("run") == name:
        return Cell("in production", Mood.GOOD)
    if (status.get("candidate") or {}).get("run") == name:
        return Cell("candidate", Mood.NOW)
    rejected: Sequence[Tree] = status.get("rejected") or ()
    entry = next((e for e in reversed(rejected) if e.get("run") == name), None)
    if entry is not None:
        return Cell(f"rejected: {entry.get('reason')}", Mood.BAD)
    previous: Sequence[Tree] = status.get("previous") or ()
    return "was in production" if any(e.get("run") == name for e in previous) else ""


COMMAND = Command(
    "runs",
    "the trainings of a model, and what became of them",
    run,
    ("runs pt-en", "runs pt-en -o yaml"),
    model_name,
    names="translationmodels",
)
