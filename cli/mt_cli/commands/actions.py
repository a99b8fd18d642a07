"""promote, abort, retry, rollback, pause, resume, retrain, bless: one annotation each.

The token names its target, so that a stale one does nothing, and ends in the moment it was made, so
that it is new. The operator echoes it in status.handled.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from mt_cli import targets
from mt_cli.cluster import Cluster, condition, name_of, status_of
from mt_cli.command import Command, model_name, run_name
from mt_cli.errors import CliError, Code
from mt_cli.output import Answer, Text
from mt_cli.session import Session
from mt_cli.views.headline import headline
from mt_contract.names import GROUP

Tree = Mapping[str, Any]
PERIOD = 1.0  # seconds between two looks
ACCEPTED = "ActionAccepted"  # the condition that tells what came of the last token


@dataclass(frozen=True)
class Asked:
    """An action that was written to a model."""

    model: Tree
    action: str
    token: str

    @property
    def annotation(self) -> str:
        """Return the annotation's key."""
        return f"{GROUP}/{self.action}"


def act(session: Session, action: str, model: Tree, target: str, args: Namespace) -> Code:
    """Write one action to a model and, if asked for, wait for what becomes of it."""
    stamp = session.now().astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    asked = Asked(model, action, f"{target}/{stamp}")
    session.cluster.annotate(model, asked.annotation, asked.token)
    said = f"{action} of {target} is asked for ({name_of(model)})"
    value = {"model": name_of(model), "action": action, "target": target, "token": asked.token}
    if not args.wait:
        session.out.show(Answer(value | {"handled": False}, (Text(f"{said}."),)))
        return Code.DONE
    after = _handled(session, asked, args.timeout)
    accepted = _answer(asked, after)
    if accepted.get("status") == "False":
        raise CliError(f"the operator ignored it: {accepted.get('message')}", Code.NOT_NOW)
    news = f"{action} of {target} is done. Now: {headline(after)}"
    session.out.show(Answer(value | {"handled": True, "now": headline(after)}, (Text(news),)))
    return Code.DONE


def _handled(session: Session, asked: Asked, timeout: float) -> Tree:
    """Return the model once the operator has seen the token.

    Raises:
        CliError: it has not within ``timeout`` seconds.
    """
    cluster, name = _within(session, asked.model), name_of(asked.model)
    for _ in range(max(1, round(timeout / PERIOD))):
        model = cluster.model(name)
        if (status_of(model).get("handled") or {}).get(asked.action) == asked.token:
            return model
        session.sleep(PERIOD)
    raise CliError(
        f"the operator has not seen {asked.action} within {timeout:.0f} s. It stays asked for; "
        "`kubectl translation doctor` says whether an operator is at work.",
        Code.TIMEOUT,
    )


def _answer(asked: Asked, model: Tree) -> Tree:
    """Return the condition in which the operator says what came of the token; empty: not there."""
    said = condition(model, ACCEPTED)
    mine = str(said.get("message", "")).startswith(f"{asked.action}={asked.token}")
    return said if mine else {}


def _within(session: Session, model: Tree) -> Cluster:
    return Cluster(session.cluster.kube, str(model["metadata"]["namespace"]))


def _promote(session: Session, args: Namespace) -> Code:
    model = session.cluster.model(args.name)
    return act(session, "promote", model, targets.promote(model, args.full), args)


def _retry(session: Session, args: Namespace) -> Code:
    model = session.cluster.model(args.name)
    return act(session, "retry", model, targets.retry(model, args.target), args)


def _rollback(session: Session, args: Namespace) -> Code:
    model = session.cluster.model(args.name)
    return act(session, "rollback", model, targets.rollback(model, args.revision), args)


def _bless(session: Session, args: Namespace) -> Code:
    run = session.cluster.run(args.run_name)
    name = targets.model_of(run)
    if args.name not in (None, name):
        told = f"{args.run_name} is a run of {name}, not of {args.name}"
        raise CliError(f"{told}: name that model, or only the run.", Code.USAGE)
    model = session.cluster.model(name)
    return act(session, "bless", model, targets.bless(model, run), args)


def _of_model(action: str) -> Callable[[Session, Namespace], Code]:
    def run(session: Session, args: Namespace) -> Code:
        model = session.cluster.model(args.name)
        return act(session, action, model, targets.OF_MODEL[action](model), args)

    return run


def _waiting(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--wait", action="store_true", help="wait until the operator has seen it, and say more"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=60,
        metavar="SECONDS",
        help="of --wait (default: %(default)s)",
    )


def _model(parser: ArgumentParser) -> None:
    model_name(parser)
    _waiting(parser)


def _with_full(parser: ArgumentParser) -> None:
    _model(parser)
    parser.add_argument("--full", action="store_true", help="skip all steps that are left")


def _with_target(parser: ArgumentParser) -> None:
    model_name(parser)
    parser.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="a rejected revision or run; not given: the last",
    )
    _waiting(parser)


def _with_revision(parser: ArgumentParser) -> None:
    model_name(parser)
    parser.add_argument(
        "revision", nargs="?", metavar="REVISION", help="an earlier one; not given: the newest"
    )
    _waiting(parser)


def _run(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="the run's model; may be left out")
    run_name(parser)
    _waiting(parser)


_MODELS, _RUNS = "translationmodels", "trainingruns"
COMMANDS = (
    Command(
        "promote",
        "let the candidate pass its pause or approval",
        _promote,
        ("promote pt-en", "promote pt-en --full --wait"),
        _with_full,
        "Needs the verb promote on translationmodels where the cluster has our admission policy.",
        _MODELS,
    ),
    Command(
        "abort",
        "end the candidate; its traffic goes back to production",
        _of_model("abort"),
        ("abort pt-en --wait",),
        _model,
        names=_MODELS,
    ),
    Command(
        "retry",
        "try a rejected candidate again",
        _retry,
        ("retry pt-en", "retry pt-en r-9ad0e51c --wait"),
        _with_target,
        names=_MODELS,
    ),
    Command(
        "rollback",
        "put an earlier revision into production again",
        _rollback,
        ("rollback pt-en", "rollback pt-en r-4c1f90ab --wait"),
        _with_revision,
        "Needs the verb promote, as it changes what is in production.",
        _MODELS,
    ),
    Command(
        "pause",
        "hold the candidate where it is",
        _of_model("pause"),
        ("pause pt-en",),
        _model,
        names=_MODELS,
    ),
    Command(
        "resume",
        "let a paused candidate go on",
        _of_model("resume"),
        ("resume pt-en",),
        _model,
        names=_MODELS,
    ),
    Command(
        "retrain",
        "train again, although nothing was changed",
        _of_model("retrain"),
        ("retrain pt-en --wait",),
        _model,
        names=_MODELS,
    ),
    Command(
        "bless",
        "override the failed gates of a run; kept in the status as such",
        _bless,
        ("bless pt-en-b81qz", "bless pt-en pt-en-b81qz --wait"),
        _run,
        "Needs the verb bless on translationmodels where the cluster has our admission policy.",
        _RUNS,
    ),
)
