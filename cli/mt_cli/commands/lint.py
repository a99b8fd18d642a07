"""lint: what the API server, the operator and common sense would say of manifests."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from mt_cli.command import Command
from mt_cli.errors import ApiError, CliError, Code
from mt_cli.output import Answer, Block, Cell, Table, Text
from mt_cli.session import Session
from mt_cli.words import verdict
from mt_contract import names

Tree = Mapping[str, Any]
COLUMNS = ("file", "object", "where", "", "what")


def run(session: Session, args: Namespace) -> Code:
    """Check manifests."""
    # These read a CEL engine, which takes a while, and which no other command needs.
    from mt_cli.lint import documents
    from mt_cli.lint.checks import Checks
    from mt_cli.lint.finding import Severity

    found = list(documents.read(args.files))
    if not found:
        told = f"{', '.join(args.files)}: no TranslationModel or TrainingRun of {names.GROUP}"
        raise CliError(f"{told} stands there.", Code.NOT_FOUND)
    checks = Checks.of(found, args.settings)
    rows = []
    for document in found:
        findings = list(_of_server(session, document)) if args.server else checks.schema(document)
        findings += checks.beyond_schema(document) if not findings else []
        rows += [(document, finding) for finding in findings]
    errors = sum(finding.severity is Severity.ERROR for _, finding in rows)
    summary = _summary(len(found), errors, len(rows) - errors)
    unchecked = [] if args.server else checks.unchecked()
    session.out.show(Answer(_value(rows, unchecked), _blocks(rows, [summary, *unchecked])))
    return Code.FINDINGS if errors or (args.strict and rows) else Code.DONE


def _of_server(session: Session, document: Any) -> Iterator[Any]:
    """Yield what the API server says to a dry run of applying an object."""
    from mt_cli.lint.documents import KINDS
    from mt_cli.lint.finding import Finding

    meta = document.tree.get("metadata") or {}
    namespace = meta.get("namespace") or session.cluster.namespace
    path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{KINDS[document.kind]}"
    query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "kubectl-translation"}
    kube = session.cluster.kube
    try:
        if meta.get("name"):
            kube.apply(f"{path}/{meta['name']}", document.tree, **query, force="true")
        else:
            kube.post(path, document.tree, **query)
    except ApiError as error:
        if error.status not in (400, 403, 409, 422):
            raise
        yield Finding("", str(error), by="server")


def _value(rows: list[Any], unchecked: list[str]) -> Tree:
    return {
        "findings": [
            {
                "file": document.file,
                "object": f"{document.kind}/{document.name}",
                "where": finding.where,
                "severity": finding.severity.value,
                "by": finding.by,
                "message": finding.message,
            }
            for document, finding in rows
        ],
        "notChecked": unchecked,
    }


def _blocks(rows: list[Any], notes: list[str]) -> tuple[Block, ...]:
    lines: tuple[tuple[str | Cell, ...], ...] = tuple(
        (
            document.file,
            f"{document.kind}/{document.name}",
            finding.where,
            verdict(finding.severity.value),
            finding.message,
        )
        for document, finding in rows
    )
    table = (Table(COLUMNS, lines),) if lines else ()
    return (*table, Text("\n".join(notes)))


def _summary(objects: int, errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return f"{_count(objects, 'object')}: nothing to object."
    return f"{_count(objects, 'object')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a manifest, a folder, or -")
    parser.add_argument(
        "--settings", metavar="FILE", help="the operator's settings, to check names against"
    )
    parser.add_argument(
        "--server", action="store_true", help="let the API server check, by a dry run"
    )
    parser.add_argument("--strict", action="store_true", help="warnings fail, too")


COMMAND = Command(
    "lint",
    "what the API server, the operator and common sense would say of manifests",
    run,
    ("lint pt-en.yaml", "lint manifests/ --strict", "lint pt-en.yaml --server"),
    _arguments,
    "Offline unless --server is given: the schema and its rules, the operator's own decisions,\n"
    "and advice about gates. Exit code 5 if there is an error.",
)
