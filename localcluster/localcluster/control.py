"""How the host talks with a node's first process: one line of JSON there, one back.

The socket lies in the node's own /run, reached through /proc, so its path is short and it cannot
outlive the node.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .commands import tail
from .errors import ClusterError

SOCKET = Path("/run/localcluster.sock")
ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class ProcessSpec:
    """A program that the node keeps running: started again when it ends."""

    name: str
    argv: tuple[str, ...]
    log: str
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"


@dataclass(frozen=True)
class ProcessState:
    """How a program of the node fares. `exits` counts how often it ended by itself."""

    name: str
    log: str
    pid: int | None
    exits: int
    last_exit: int | None


class Node:
    """The host's side of the conversation."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._socket = inside(pid, SOCKET)

    def ensure(self, spec: ProcessSpec) -> None:
        """Have this very program running; one of that name with other arguments is replaced."""
        request = {
            "do": "ensure",
            "name": spec.name,
            "argv": list(spec.argv),
            "log": spec.log,
            "env": dict(spec.env),
            "cwd": spec.cwd,
        }
        self._ask(request)

    def stop(self, name: str) -> None:
        """Stop a program, and keep it stopped until `start`."""
        self._ask({"do": "stop", "name": name})

    def start(self, name: str) -> None:
        """Start a program that was stopped."""
        self._ask({"do": "start", "name": name})

    def processes(self) -> list[ProcessState]:
        """Return all programs of the node, in the order in which they were first started."""
        return [ProcessState(**entry) for entry in self._ask({"do": "list"})]

    def check(self, name: str, exits: int = 2) -> None:
        """Raise `ClusterError` where a program ended by itself as often as this."""
        for process in self.processes():
            if process.name == name and process.exits >= exits:
                text = Path(process.log).read_text(errors="replace")
                raise ClusterError(
                    f"{name} does not stay up: it ended {process.exits} times, last with "
                    f"{process.last_exit}. The end of {process.log}:\n{tail(text)}"
                )

    def wait(self, seconds: float = 15.0) -> None:
        """Wait until the node's first process answers.

        Raises:
            ClusterError: it does not.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._ask({"do": "list"})
                return
            except ClusterError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _ask(self, request: Mapping[str, object]) -> Any:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(ANSWER_SECONDS)
                connection.connect(str(self._socket))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("rb") as stream:
                    answer = json.loads(stream.readline() or b"{}")
        except OSError as error:
            raise ClusterError(f"the node (process {self.pid}) does not answer: {error}") from None
        if "error" in answer:
            raise ClusterError(f"the node could not {request['do']}: {answer['error']}")
        return answer.get("result")


def inside(pid: int, path: Path) -> Path:
    """Return the host's path of a file that a node sees at `path`."""
    return Path(f"/proc/{pid}/root") / path.relative_to("/")
