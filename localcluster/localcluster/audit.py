"""Who wrote what, out of the API server's audit log (`up --audit`): a reader, and a count.

What is asked with `dryRun`, and questions that are put as objects (may I? who is this?), are no
writes. A write that changed nothing is one: the server was asked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

VERBS = ("create", "update", "patch", "delete", "deletecollection")
QUESTIONS = ("authentication.k8s.io", "authorization.k8s.io")
REFUSED = 400


@dataclass(frozen=True)
class Write:
    """One request that asked the API server to change something."""

    at: datetime
    user: str
    agent: str  # the client's name: what stands before the first slash of its User-Agent
    verb: str
    kind: str  # resource, then group and subresource: `jobs.batch`, `pods/status`
    namespace: str
    name: str
    code: int  # the answer's HTTP status

    @property
    def refused(self) -> bool:
        """Whether the server did not do it."""
        return self.code >= REFUSED


def writes(log: Path, since: datetime | None = None) -> Iterator[Write]:
    """Yield the writes of an audit log, in its order.

    Args:
        log: `logs/audit.log` of an instance; it may be written meanwhile.
        since: only requests that were received then or later.

    Raises:
        OSError: there is no such file.
    """
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return  # The server is in the middle of this line.
            event = json.loads(line)
            if is_write(event):
                found = write(event)
                if since is None or found.at >= since:
                    yield found


def is_write(event: dict[str, Any]) -> bool:
    """Tell whether an event is the end of a request that asked for a change."""
    target = event.get("objectRef")
    if event["verb"] not in VERBS or event["stage"] == "ResponseStarted" or not target:
        return False
    asked = parse_qs(urlsplit(event["requestURI"]).query)
    return "dryRun" not in asked and target.get("apiGroup") not in QUESTIONS


def write(event: dict[str, Any]) -> Write:
    """Return the write that an event of the log tells of."""
    target = event["objectRef"]
    group, subresource = target.get("apiGroup"), target.get("subresource")
    kind = target["resource"] + (f".{group}" if group else "")
    return Write(
        at=datetime.fromisoformat(event["requestReceivedTimestamp"]),
        user=event["user"]["username"],
        agent=event.get("userAgent", "").partition("/")[0],
        verb=event["verb"],
        kind=kind + (f"/{subresource}" if subresource else ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
    )


def counted(found: Iterable[Write]) -> Counter[tuple[str, str, str, str]]:
    """Return how many writes there were for each (user, agent, verb, kind)."""
    return Counter((each.user, each.agent, each.verb, each.kind) for each in found)


def table(found: Iterable[Write]) -> str:
    """Return the counts as lines, the highest first; of which were refused, after each."""
    everything = list(found)
    refused = counted(each for each in everything if each.refused)
    rows = sorted(counted(everything).items(), key=lambda row: (-row[1], row[0]))
    return "\n".join(
        f"{count:7}  {'  '.join(what)}" + (f"  ({refused[what]} refused)" if refused[what] else "")
        for what, count in rows
    )
