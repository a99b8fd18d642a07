"""How nodes that train together find each other, and make sure that they have read the same text.

Plain sockets, before any of them computes: the first node waits for the others, compares what they
say of their data, and lets them go or refuses all of them. Its address is looked up anew for every
attempt: the name of a pod that is not there yet, or again, is not known for a while.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mt_contract.errors import ConfigurationError, DataError, NodesError
from mt_trainer.config import Node

PATIENCE = 600.0  # seconds for the last to come: a machine may have to be started for its pod
_LINE_SECONDS = 30.0  # between two lines about it in the log
_ATTEMPT_SECONDS = 2.0  # between two attempts to reach the first node
_ANSWER_SECONDS = 5.0  # within which a connection says what it has to say
_MOST_BYTES = 64 * 1024
_log = logging.getLogger(__name__)
Facts = Mapping[str, str]  # what all nodes must agree on, by what it is called


@dataclass
class Patience:
    """Time that is left to wait, and lines about it now and then."""

    seconds: float = PATIENCE
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._begun = self.clock()
        self._line_at = self._begun

    @property
    def over(self) -> bool:
        """Return whether nothing is left of it."""
        return self.clock() - self._begun >= self.seconds

    def tell(self, what: str) -> None:
        """Log what is waited for, unless that was done a moment ago."""
        if self.clock() >= self._line_at:
            self._line_at = self.clock() + _LINE_SECONDS
            _log.info("waiting for %s (%.0f s)", what, self.clock() - self._begun)


def meet(node: Node, facts: Facts, patience: Patience | None = None) -> str:
    """Return the address (``host:port``) of the first node, once all nodes are there and agree.

    Args:
        node: this one.
        facts: what all nodes must agree on.
        patience: how long to wait.

    Raises:
        ConfigurationError: there is no such address, or no such node.
        DataError: the nodes do not agree.
        NodesError: they did not all come in time.
    """
    host, _, port = node.coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= node.index < node.count:
        raise ConfigurationError(
            f"MT_COORDINATOR is {node.coordinator!r} and JOB_COMPLETION_INDEX {node.index} of "
            f"MT_NODES {node.count}: host:port of the first node, and a number below MT_NODES"
        )
    patience = patience or Patience()
    if node.leads:
        _gather(node.count, int(port), facts, patience)
        return f"localhost:{port}"
    found = _join(node, host, int(port), facts, patience)
    return f"[{found}]:{port}" if ":" in found else f"{found}:{port}"


def _gather(count: int, port: int, facts: Facts, patience: Patience) -> None:
    """Wait for all others and answer them, as the first node."""
    present: dict[int, tuple[socket.socket, Facts]] = {}
    with _listening(port, count) as server:
        try:
            while len(present) < count - 1:
                missing = [str(i) for i in range(1, count) if i not in present]
                patience.tell(f"node {', '.join(missing)} of {count}")
                if patience.over:
                    raise _missing(f"node {', '.join(missing)} of {count}", patience)
                _admit(server, count, present)
            refusal = _refusal(facts, {i: said for i, (_, said) in present.items()})
            for connection, _ in present.values():
                _say(connection, {"refusal": refusal})
        finally:
            for connection, _ in present.values():
                connection.close()
    if refusal:
        raise DataError(refusal)
    _log.info("all %d nodes are there", count)


def _listening(port: int, count: int) -> socket.socket:
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    server = socket.create_server(("", port), family=family, backlog=128, dualstack_ipv6=both)
    server.settimeout(1.0)
    return server


def _admit(
    server: socket.socket, count: int, present: dict[int, tuple[socket.socket, Facts]]
) -> None:
    """Take one connection, if there is one; a node that comes again takes its own place."""
    try:
        connection, _ = server.accept()
    except TimeoutError:
        return
    try:
        said = _hear(connection)
        index, theirs = int(said["node"]), dict(said["facts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.debug("a connection that is none of a node's: %s", error)
        connection.close()
        return
    if not 0 < index < count:
        connection.close()
        return
    if index in present:
        present[index][0].close()
    present[index] = connection, theirs
    _log.info("node %d of %d is there", index, count)


def _refusal(mine: Facts, others: Mapping[int, Facts]) -> str:
    """Return what is wrong, with the nodes that it is wrong with; empty if they agree."""
    for name, value in mine.items():
        odd = [
            f"node {i} {said.get(name)}" for i, said in others.items() if said.get(name) != value
        ]
        if odd:
            return (
                f"the nodes have not the same {name}: node 0 {value}, {', '.join(sorted(odd))}; "
                "every node must read the same files with the same image"
            )
    return ""


def _join(node: Node, host: str, port: int, facts: Facts, patience: Patience) -> str:
    """Say to the first node that this one is there; return its address once it lets all go."""
    while not patience.over:
        patience.tell(f"node 0 of {node.count} at {host}:{port}")
        try:
            with socket.create_connection((host, port), timeout=_ANSWER_SECONDS) as connection:
                _say(connection, {"node": node.index, "facts": dict(facts)})
                answer = _await(connection, patience)
                if answer["refusal"]:
                    raise DataError(str(answer["refusal"]))
                return str(connection.getpeername()[0])
        except (OSError, ValueError, KeyError) as error:
            # Not there yet, its name not known yet, or gone again: all of that may pass.
            _log.debug("node 0: %s", error)
            patience.sleep(_ATTEMPT_SECONDS)
    raise _missing(f"node 0 of {node.count} at {host}:{port}", patience)


def _await(connection: socket.socket, patience: Patience) -> Any:
    """Return the first node's answer, which comes when the last node has."""
    while not patience.over:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            if connection.recv(1, socket.MSG_PEEK):
                return _hear(connection)
        except TimeoutError:
            patience.tell("the other nodes")
            continue
        break
    raise OSError("no answer")


def _say(connection: socket.socket, message: Mapping[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _hear(connection: socket.socket) -> Any:
    """Return one message.

    Raises:
        OSError: none came.
        ValueError: it is no message.
    """
    connection.settimeout(_ANSWER_SECONDS)
    line = connection.makefile("rb").readline(_MOST_BYTES)
    if not line.endswith(b"\n"):
        raise OSError("the connection ended in mid-sentence")
    return json.loads(line)


def _missing(who: str, patience: Patience) -> NodesError:
    return NodesError(
        f"{who} did not come within {patience.seconds:.0f} s: see whether its pod is there and "
        "what it says (too few machines or GPUs for all nodes at once, an image that cannot be "
        "pulled, a network policy between the pods)"
    )
