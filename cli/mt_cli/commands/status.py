"""status: all about one model, once or for as long as somebody looks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mt_cli.cluster import status_of
from mt_cli.command import Command, model_name
from mt_cli.errors import ApiError, CliError, Code
from mt_cli.output import Answer
from mt_cli.session import Session
from mt_cli.views.changes import changes
from mt_cli.views.status import describe

Tree = Mapping[str, Any]
PERIOD = 2.0  # seconds between two looks
PATIENCE = 30  # looks that may fail in a row before watching ends


@dataclass(frozen=True)
class Look:
    """A model with what is shown beside it."""

    model: Tree
    run: Tree | None
    events: list[Tree]


def run(session: Session, args: Namespace) -> Code:
    """Show one model."""
    if args.watch and session.out.form != "table":
        raise CliError("--watch shows changes to people: leave out -o", Code.USAGE)
    if not args.watch:
        look = _look(session, args.name)
        session.out.show(Answer(look.model, _blocks(session, look)))
        return Code.DONE
    try:
        _live(session, args.name) if session.out.is_terminal else _lines(session, args.name)
    except KeyboardInterrupt:
        session.out.line("")
    return Code.DONE


def _look(session: Session, name: str) -> Look:
    cluster = session.cluster
    model = cluster.model(name)
    candidate = status_of(model).get("candidate") or {}
    found = cluster.find_run(str(candidate["run"])) if candidate.get("run") else None
    return Look(model, found, cluster.events(model))


def _blocks(session: Session, look: Look) -> Any:
    return describe(look.model, look.run, look.events, session.now())


def _again(session: Session, name: str) -> Look:
    """Look once more; an API server that is away for a while does not end the watch.

    Raises:
        CliError: the model is gone, or the API server stays away.
    """
    for attempt in range(PATIENCE):
        session.sleep(PERIOD)
        try:
            return _look(session, name)
        except ApiError:
            raise
        except CliError:
            if attempt == PATIENCE - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _live(session: Session, name: str) -> None:
    from rich.live import Live

    from mt_cli.terminal import console, rendered

    first = rendered(_blocks(session, _look(session, name)))
    screen = console(session.out.stream)
    view = Live(first, console=screen, auto_refresh=False, screen=True, vertical_overflow="crop")
    with view as live:
        while True:
            live.update(rendered(_blocks(session, _again(session, name))), refresh=True)


def _lines(session: Session, name: str) -> None:
    before: Look | None = None
    look = _look(session, name)
    while True:
        old = (before.model, before.events) if before else (None, [])
        for line in changes(old[0], look.model, old[1], look.events):
            stamp = session.now().strftime("%H:%M:%S")
            session.out.note(f"{stamp}  {line}")
        before, look = look, _again(session, name)


def _arguments(parser: ArgumentParser) -> None:
    model_name(parser)
    parser.add_argument(
        "-w", "--watch", action="store_true", help="stay, and show every change; end with Ctrl-C"
    )


COMMAND = Command(
    "status",
    "what serves, what is tried, by which numbers, and what can be done",
    run,
    ("status pt-en", "status pt-en --watch", "status pt-en -o yaml"),
    _arguments,
    names="translationmodels",
)
