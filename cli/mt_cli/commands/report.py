"""report: what one run trained on, with, and to, and what its gates said."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from mt_cli.command import Command, run_name
from mt_cli.errors import Code
from mt_cli.output import Answer
from mt_cli.session import Session
from mt_cli.views.report import describe


def run(session: Session, args: Namespace) -> Code:
    """Show one run."""
    found = session.cluster.run(args.run_name)
    session.out.show(Answer(found, describe(found, session.now())))
    return Code.DONE


def _arguments(parser: ArgumentParser) -> None:
    run_name(parser)


COMMAND = Command(
    "report",
    "a run: its data, recipe, scores, gates, and where its files are",
    run,
    ("report pt-en-b81qz", "report pt-en-b81qz -o json"),
    _arguments,
    names="trainingruns",
)
