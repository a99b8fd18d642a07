"""What every command is given: the cluster (reached when it is first needed), output and time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import httpx

from mt_cli.cluster import Cluster
from mt_cli.connect import Connection
from mt_cli.output import Output


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass
class Session:
    """One command's surroundings; tests give another connection and another clock."""

    connect: Callable[[], Connection]
    out: Output
    namespace: str | None = None  # None: the context's
    all_namespaces: bool = False
    now: Callable[[], datetime] = field(default=utc_now)
    sleep: Callable[[float], None] = field(default=time.sleep)
    transport: httpx.BaseTransport | None = None  # to endpoints of models; None: the network

    @cached_property
    def connection(self) -> Connection:
        """Return the connection to the cluster."""
        return self.connect()

    @property
    def cluster(self) -> Cluster:
        """Return the part of the cluster that the command line names."""
        namespace = self.namespace or self.connection.namespace
        return Cluster(self.connection.kube, None if self.all_namespaces else namespace)
