"""How far a Job of bulk inference is, what it wrote, and why it failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mt_cli.cluster import condition, created, holds, name_of, status_of
from mt_cli.errors import ApiError, CliError, Code
from mt_cli.output import clean
from mt_cli.session import Session
from mt_contract import report
from mt_contract.report import Failure, ReportError

Tree = Mapping[str, Any]
PERIOD = 2.0  # seconds between two looks
OF_JOB = "batch.kubernetes.io/job-name"


def wait(session: Session, name: str, timeout: float | None) -> None:
    """Show how far the Job is until it is over.

    Raises:
        CliError: it failed, or is not over in time.
    """
    path = f"/apis/batch/v1/namespaces/{session.cluster.namespace}/jobs/{name}"
    looks = None if timeout is None else max(1, round(timeout / PERIOD))
    before, count = "", 0
    with _shown(session) as show:
        while looks is None or count < looks:
            job = session.cluster.kube.get(path)
            line = _last_line(session, name)
            if line and line != before:
                show(line)
            if holds(job, "Complete"):
                return
            if holds(job, "Failed"):
                raise CliError(f"job {name} failed: {_why(session, job)}")
            before, count = line or before, count + 1
            session.sleep(PERIOD)
    raise CliError(
        f"job {name} is not over within {timeout:.0f} s. It goes on: "
        f"`kubectl logs --follow job/{name}` shows how far it is.",
        Code.TIMEOUT,
    )


@contextmanager
def _shown(session: Session) -> Iterator[Callable[[str], None]]:
    """Yield what shows the last line: over the one before on a terminal, below it elsewhere."""
    if not session.out.is_terminal:
        yield session.out.note
        return
    from mt_cli.terminal import console

    with console(session.out.stream).status("") as spinner:
        yield lambda line: spinner.update(clean(line))


def _pods(session: Session, name: str) -> list[Tree]:
    """Return the Job's pods, the earliest first."""
    path = f"/api/v1/namespaces/{session.cluster.namespace}/pods"
    found: Sequence[Tree] = session.cluster.kube.get(path, labelSelector=f"{OF_JOB}={name}")[
        "items"
    ]
    return sorted(found, key=created)


def _log(session: Session, name: str, **query: str) -> list[str]:
    """Return lines of the newest pod's log; none where it has none, or they may not be read."""
    pods = [pod for pod in _pods(session, name) if status_of(pod).get("phase") != "Pending"]
    if not pods:
        return []
    path = f"/api/v1/namespaces/{session.cluster.namespace}/pods/{name_of(pods[-1])}/log"
    try:
        return list(session.cluster.kube.lines(path, **query))
    except ApiError:
        return []


def _last_line(session: Session, name: str) -> str:
    lines = _log(session, name, tailLines="1")
    return lines[-1] if lines and not _summary(lines[-1]) else ""


def summaries(session: Session, name: str) -> list[Tree]:
    """Return what the program said of each file that it wrote."""
    return [found for line in _log(session, name) if (found := _summary(line))]


def _summary(line: str) -> Tree | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "output" in found else None


def _why(session: Session, job: Tree) -> str:
    """Return the last words of the newest pod, or what Kubernetes says of the Job."""
    for pod in reversed(_pods(session, name_of(job))):
        for container in status_of(pod).get("containerStatuses") or ():
            ended = (container.get("state") or {}).get("terminated") or {}
            try:
                told = report.decode(str(ended.get("message") or ""))
            except ReportError:
                continue
            if isinstance(told, Failure):
                return f"{told.reason}: {told.message}"
    return str(condition(job, "Failed").get("message") or "nobody says why") + "."
