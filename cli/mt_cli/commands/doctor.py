"""doctor: what in this cluster does not fit, and what to do about it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict

from mt_cli.command import Command
from mt_cli.doctor import namespace, operator, platform
from mt_cli.doctor.look import Place, Row, Verdict
from mt_cli.errors import Code
from mt_cli.output import Answer, Table, Text
from mt_cli.session import Session
from mt_cli.words import verdict

CHECKS = (*platform.CHECKS, *operator.CHECKS, *namespace.CHECKS)


def run(session: Session, args: Namespace) -> Code:
    """Look at a cluster."""
    where = session.cluster.namespace or session.connection.namespace
    place = Place(session.cluster.kube, where, args.system, session.now(), session.sleep)
    rows = list(_rows(place))
    lines = tuple((row.check, verdict(row.verdict.value), row.found, row.todo) for row in rows)
    table = Table(("check", "", "found", "what to do"), lines)
    answer = Answer([asdict(row) for row in rows], (table, Text(_summary(rows, where))))
    session.out.show(answer)
    bad = any(row.verdict is Verdict.PROBLEM for row in rows)
    return Code.FINDINGS if bad else Code.DONE


def _rows(place: Place) -> Iterator[Row]:
    for check in CHECKS:
        yield from check(place)


def _summary(rows: list[Row], where: str) -> str:
    counts = {kind: sum(row.verdict is kind for row in rows) for kind in Verdict}
    named = (
        (Verdict.PROBLEM, "problem"),
        (Verdict.WARNING, "warning"),
        (Verdict.UNKNOWN, "unknown"),
    )
    parts = [f"{counts[kind]} {word}" for kind, word in named if counts[kind]]
    return f"Namespace {where}: " + (", ".join(parts) if parts else "everything fits") + "."


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--system", metavar="NAMESPACE", help="of the operator; not given: it is looked for"
    )


COMMAND = Command(
    "doctor",
    "what in this cluster does not fit, and what to do about it",
    run,
    ("doctor", "doctor -n team-a --system translation-system"),
    _arguments,
    "Reads only; asks for your rights by SelfSubjectAccessReviews. Exit code 5 if there is a\n"
    "problem.",
)
