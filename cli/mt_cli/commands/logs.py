"""logs: what the pods of a run's Jobs say, of each stage, the earliest first."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from mt_cli.cluster import created, holds, name_of, status_of
from mt_cli.command import Command, run_name
from mt_cli.errors import ApiError, CliError, Code
from mt_cli.output import clean
from mt_cli.session import Session
from mt_contract import names

Tree = Mapping[str, Any]
PERIOD = 2.0  # seconds between two looks for another pod
STAGES = tuple(str(stage) for stage in names.Stage)


def run(session: Session, args: Namespace) -> Code:
    """Print the logs of a run's pods; with --follow, until the run is over."""
    if session.out.form != "table":
        raise CliError("logs are lines of text: leave out -o", Code.USAGE)
    session.cluster.run(args.run_name)
    seen: set[str] = set()
    try:
        while True:
            found = [pod for pod in pods(session, args) if name_of(pod) not in seen]
            for pod in found:
                seen |= {name_of(pod)} if _print(session, pod, args) else set()
            if not args.follow:
                break
            if not found and _over(session, args.run_name):
                break
            session.sleep(PERIOD)
    except KeyboardInterrupt:
        return Code.DONE
    if seen or args.follow:
        return Code.DONE
    raise CliError(
        f"{args.run_name} has no pod with logs now: its Jobs have not begun, or their pods are "
        f"gone. `kubectl translation report {args.run_name}` shows what is known.",
        Code.NOT_NOW,
    )


def pods(session: Session, args: Namespace) -> list[Tree]:
    """Return the pods of a run's Jobs, the earliest first."""
    selector = f"{names.LABEL_RUN}={args.run_name}"
    if args.stage:
        selector += f",{names.LABEL_STAGE}={args.stage}"
    path = f"/api/v1/namespaces/{session.cluster.namespace}/pods"
    return sorted(session.cluster.kube.get(path, labelSelector=selector)["items"], key=created)


def _print(session: Session, pod: Tree, args: Namespace) -> bool:
    """Print one pod's log; return whether it has one yet."""
    name = name_of(pod)
    if status_of(pod).get("phase") == "Pending":
        return False
    stage = (pod["metadata"].get("labels") or {}).get(names.LABEL_STAGE, "")
    session.out.note(f"==> {stage} {name} <==")
    path = f"/api/v1/namespaces/{session.cluster.namespace}/pods/{name}/log"
    query = {"tailLines": str(args.tail)} if args.tail is not None else {}
    query |= {"follow": "true"} if args.follow else {}
    try:
        for line in session.cluster.kube.lines(path, **query):
            session.out.line(clean(line))
    except ApiError as error:
        session.out.note(f"(no log: {error})")
    return True


def _over(session: Session, name: str) -> bool:
    found = session.cluster.find_run(name)
    return found is None or holds(found, "Succeeded") or holds(found, "Failed")


def _arguments(parser: ArgumentParser) -> None:
    run_name(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="stay until the run is over")
    parser.add_argument("--stage", choices=STAGES, help="of one stage only")
    parser.add_argument("--tail", type=int, metavar="LINES", help="of each pod; not given: all")


COMMAND = Command(
    "logs",
    "what the pods of a run's Jobs say",
    run,
    ("logs pt-en-b81qz", "logs pt-en-b81qz --follow --stage train"),
    _arguments,
    names="trainingruns",
)
