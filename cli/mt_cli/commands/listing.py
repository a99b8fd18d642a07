"""list: every model, and what happens to it just now."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mt_cli.cluster import condition, holds, name_of, status_of
from mt_cli.command import Command
from mt_cli.errors import Code
from mt_cli.output import Answer, Cell, Mood, Table, listed
from mt_cli.session import Session
from mt_cli.views.headline import headline
from mt_cli.words import age, verdict

Tree = Mapping[str, Any]
COLUMNS = ("name", "pair", "ready", "production", "chrF", "now", "age")


def run(session: Session, args: Namespace) -> Code:
    """List the models of a namespace, or of all."""
    models = session.cluster.models()
    everywhere, now = session.all_namespaces, session.now()
    where = "any namespace" if everywhere else f"namespace {session.cluster.namespace}"
    rows = tuple(
        ((str(m["metadata"]["namespace"]), *_row(m, now)) if everywhere else _row(m, now))
        for m in models
    )
    columns = ("namespace", *COLUMNS) if everywhere else COLUMNS
    empty = f"There is no TranslationModel in {where}." + ("" if everywhere else " Try -A.")
    session.out.show(Answer(listed(models), (Table(columns, rows, empty=empty),)))
    return Code.DONE


def _row(model: Tree, now: datetime) -> tuple[str | Cell, ...]:
    status, spec = status_of(model), model.get("spec") or {}
    production = status.get("production") or {}
    pair = status.get("pair") or f"{spec.get('sourceLanguage')}-{spec.get('targetLanguage')}"
    mood = Mood.BAD if holds(model, "Degraded") or holds(model, "Stalled") else Mood.PLAIN
    return (
        name_of(model),
        str(pair),
        verdict(str(condition(model, "Ready").get("status", "Unknown"))),
        str(production.get("revision", "")),
        str((production.get("scores") or {}).get("chrF", "")),
        Cell(headline(model), mood),
        age(model["metadata"].get("creationTimestamp"), now),
    )


COMMAND = Command(
    "list",
    "the models, and what happens to them just now",
    run,
    ("list", "list -A", "list -n team-a -o json"),
)
