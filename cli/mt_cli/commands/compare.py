"""compare: two runs side by side, and what was different in what they were made from."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from mt_cli.cluster import name_of, status_of
from mt_cli.command import Command
from mt_cli.errors import Code
from mt_cli.output import Answer
from mt_cli.session import Session
from mt_cli.views.compare import blocks, compare


def run(session: Session, args: Namespace) -> Code:
    """Compare two runs."""
    one, two = session.cluster.run(args.run_name), session.cluster.run(args.other)
    found = compare(one, two)
    value = {
        "runs": [name_of(one), name_of(two)],
        "scores": [
            (status_of(run).get("evaluation") or {}).get("scores", {}) for run in (one, two)
        ],
        "differences": {d.path: [d.one, d.two] for d in found.differences},
    }
    session.out.show(Answer(value, blocks(found)))
    return Code.DONE


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run_name", metavar="RUN", help="a TrainingRun")
    parser.add_argument("other", metavar="RUN", help="another one")


COMMAND = Command(
    "compare",
    "two runs side by side: scores, gates, data, and what is different in their recipes",
    run,
    ("compare pt-en-7h2xk pt-en-b81qz",),
    _arguments,
    names="trainingruns",
)
