"""Ports for servers of tests."""

from __future__ import annotations

import random
import socket

# Below those that Linux gives to whoever asks for any: between a look at one of these and the
# server's start nobody's connection takes it.
_RANGE = range(10_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().choice(_RANGE)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("", port))
        except OSError:
            return False
    return True
