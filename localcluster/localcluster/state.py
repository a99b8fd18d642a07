"""What is remembered of an instance between commands: its addresses and its node's process."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from .cache import Cache
from .errors import ClusterError
from .instance import Addition, Addresses, Instance, checked_name

INSTANCE_FILE = "instance.json"
NODE_FILE = "node.json"


@dataclass(frozen=True)
class NodeProcess:
    """The first process of a node, as the host sees it.

    A process number is used again after a while, so the time of its start belongs to it.
    """

    pid: int
    started: str
    booted_at: float
    # Whether its network was set up: a command that was killed may have left half a node.
    complete: bool = False

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_time(self.pid) == self.started


def start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks since a boot; None where none runs.

    The boot's own identity is part of the answer, so that no process survives a reboot on paper.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{fields[19]}"


def load(cache: Cache, name: str) -> Instance | None:
    """Return a recorded instance, or None."""
    folder = cache.clusters / checked_name(name)
    try:
        record = json.loads((folder / INSTANCE_FILE).read_text())
    except FileNotFoundError:
        return None
    addresses = Addresses(IPv4Network(record["network"]))
    # Clusters that were made before there were additions have none.
    additions = frozenset(map(Addition, record.get("additions", [])))
    return Instance(name, folder, addresses, record["audit"], additions)


def require(cache: Cache, name: str) -> Instance:
    """Return a recorded instance.

    Raises:
        ClusterError: there is none of this name.
    """
    instance = load(cache, name)
    if instance is None:
        known = ", ".join(names(cache)) or "none"
        raise ClusterError(f"there is no cluster {name!r} (there are: {known}); make it with `up`")
    return instance


def save(instance: Instance) -> None:
    """Record an instance."""
    instance.folder.mkdir(parents=True, exist_ok=True)
    record = {
        "network": str(instance.addresses.network),
        "audit": instance.audit,
        "additions": sorted(instance.additions),
    }
    _write(instance.folder / INSTANCE_FILE, record)


def names(cache: Cache) -> list[str]:
    """Return the names of all recorded instances."""
    return sorted(path.parent.name for path in cache.clusters.glob(f"*/{INSTANCE_FILE}"))


def load_node(instance: Instance) -> NodeProcess | None:
    """Return the instance's node if it runs."""
    try:
        node = NodeProcess(**json.loads((instance.folder / NODE_FILE).read_text()))
    except FileNotFoundError:
        return None
    return node if node.alive else None


def save_node(instance: Instance, pid: int) -> NodeProcess:
    """Record the first process of the instance's node.

    Args:
        instance: whose node.
        pid: the process, as the host numbers it.

    Raises:
        ClusterError: it does not run.
    """
    started = start_time(pid)
    if started is None:
        log = instance.logs / "node.log"
        raise ClusterError(f"the node of {instance.name!r} ended at once; see {log}")
    node = NodeProcess(pid, started, time.time())
    _write(instance.folder / NODE_FILE, asdict(node))
    return node


def save_complete(instance: Instance, node: NodeProcess) -> NodeProcess:
    """Record that a node's network is set up."""
    node = replace(node, complete=True)
    _write(instance.folder / NODE_FILE, asdict(node))
    return node


def forget_node(instance: Instance) -> None:
    """Remove the record of a node that is gone."""
    (instance.folder / NODE_FILE).unlink(missing_ok=True)


def _write(path: Path, record: object) -> None:
    # Renamed into place: a reader never sees half a record.
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(record, indent=1) + "\n")
    draft.rename(path)


@contextmanager
def locked(cache: Cache, what: str) -> Iterator[None]:
    """Hold a lock for the block; another command that wants it waits. It dies with its holder."""
    folder = cache.root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / what, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another command that holds the lock {what}", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
