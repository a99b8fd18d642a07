"""Brings an instance up and down. Everything it starts is below one process, which `down` kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from . import binaries, cgroups, debian, network, pki, state
from .cache import Cache
from .control import Node
from .errors import ClusterError
from .instance import NEEDED_PART, Addition, Addresses, Instance, Part, checked_name, choose_network
from .parts import ADDITIONS, PARTS, Bringup
from .progress import Progress

KILL_SECONDS = 120.0
HOSTS = Path("/etc/hosts")


@dataclass(frozen=True)
class Request:
    """What `up` is asked for."""

    name: str
    part: Part
    audit: bool = False
    fresh: bool = False
    network: IPv4Network | None = None
    additions: frozenset[Addition] = frozenset()


def up(cache: Cache, request: Request, progress: Progress) -> Instance:
    """Bring an instance up as far as asked; what runs already is left alone.

    Where it fails or is interrupted, what it started is taken down again.

    Raises:
        ClusterError: with the log that shows why.
    """
    if os.geteuid() != 0:
        raise ClusterError("a node needs namespaces, mounts and routes: run this as root")
    checked(request)
    debian.ensure(cache, debian.for_part(request.part), progress)
    binaries.build(cache, binaries.needed(request.part, request.additions), progress)
    with state.locked(cache, f"cluster-{checked_name(request.name)}"):
        instance = _planned(cache, request)
        if request.fresh:
            stop(instance)
            shutil.rmtree(instance.data, ignore_errors=True)
            shutil.rmtree(instance.volumes, ignore_errors=True)
        running = state.load_node(instance)
        if running is not None and not running.complete:
            running = None
        try:
            process = running or boot(instance, progress)
            bringup = Bringup(cache, instance, Node(process.pid), progress, process.booted_at)
            _start_parts(bringup, request.part)
        except BaseException:
            if running is None:
                stop(instance)
            raise
    return instance


def checked(request: Request) -> Request:
    """Return a request that can be met.

    Raises:
        ClusterError: an addition stands on more than is asked for.
    """
    for addition in sorted(request.additions):
        if request.part < NEEDED_PART[addition]:
            needed = NEEDED_PART[addition].name.lower()
            raise ClusterError(f"--{addition} needs a cluster with --parts {needed} or more")
    return request


def _start_parts(bringup: Bringup, upto: Part) -> None:
    for part in Part:
        if part <= upto:
            PARTS[part](bringup)
    # What an earlier `up` was asked for is started again, with the programs it has by now.
    additions = [each for each in sorted(bringup.instance.additions) if NEEDED_PART[each] <= upto]
    binaries.build(bringup.cache, binaries.needed(upto, additions), bringup.progress)
    for addition in additions:
        ADDITIONS[addition](bringup)


def _planned(cache: Cache, request: Request) -> Instance:
    with state.locked(cache, "addresses"):
        instance = state.load(cache, request.name)
        if instance is None:
            others = [state.require(cache, name) for name in state.names(cache)]
            recorded = [other.addresses.network for other in others]
            chosen = request.network or choose_network([*recorded, *network.networks_in_use()])
            instance = Instance(request.name, cache.clusters / request.name, Addresses(chosen))
        elif request.network not in (None, instance.addresses.network):
            raise ClusterError(
                f"the cluster {request.name!r} has the addresses {instance.addresses.network}; for "
                f"others, remove it first: `down --purge --name {request.name}`"
            )
        # Once asked for, they stay until --purge: a later `up` does not restart the API server.
        instance = replace(
            instance,
            audit=instance.audit or request.audit,
            additions=instance.additions | request.additions,
        )
        state.save(instance)
    return instance


def boot(instance: Instance, progress: Progress) -> state.NodeProcess:
    """Start an empty node: namespaces, link and control group, and its first process."""
    stop(instance)
    network.check_free(instance)
    with progress.step("node started"):
        shutil.rmtree(instance.logs, ignore_errors=True)
        for folder in (instance.logs, instance.data, instance.config, instance.volumes):
            folder.mkdir(parents=True, exist_ok=True)
        pki.ensure(instance)
        cgroups.create(instance.cgroup)
        pid = _unshare(instance)
        process = state.save_node(instance, pid)
        network.connect(instance, pid)
        Node(pid).wait()
    return state.save_complete(instance, process)


def _unshare(instance: Instance) -> int:
    """Start the node's first process in namespaces of its own and return its number."""
    log = instance.logs / "node.log"
    with log.open("wb") as out:
        outer = subprocess.Popen(
            [
                "unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
                "--mount-proc", sys.executable, "-m", "localcluster.node", _node_plan(instance),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    deadline = time.monotonic() + 10
    while outer.poll() is None and time.monotonic() < deadline:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.005)
    raise ClusterError(f"the node's namespaces could not be made; see {log}")


def _node_plan(instance: Instance) -> str:
    ours = instance.addresses
    mounts = {}
    for name in ("lib", "log"):
        folder = instance.data / "var" / name
        folder.mkdir(parents=True, exist_ok=True)
        mounts[str(folder)] = f"/var/{name}"
    # No name server answers in the node, so programs that look up their own name would wait.
    hosts = instance.data / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{ours.node} {instance.node_name}\n")
    if HOSTS.exists():
        mounts[str(hosts)] = str(HOSTS)
    return json.dumps(
        {
            "hostname": instance.node_name,
            "address": f"{ours.node}/{ours.link.prefixlen}",
            "gateway": str(ours.host),
            "mounts": mounts,
            "sysctls": [str(network.BRIDGE_FILTER)] if network.bridges_are_filtered() else [],
        }
    )


def down(cache: Cache, name: str, *, purge: bool, progress: Progress) -> None:
    """Stop an instance and remove all that it left on the host; with `purge` its folder too.

    Nothing happens where there is none: also what a crash left behind is removed.
    """
    with state.locked(cache, f"cluster-{checked_name(name)}"):
        instance = state.load(cache, name)
        if instance is None:
            progress.say(f"there is no cluster {name!r}")
            return
        with progress.step(f"{name} is down"):
            stop(instance)
            if purge:
                shutil.rmtree(instance.folder)


def stop(instance: Instance) -> None:
    """Kill the node, and remove its link and its control groups.

    Raises:
        ClusterError: something of it stays.
    """
    node = state.load_node(instance)
    if node is not None:
        os.kill(node.pid, signal.SIGKILL)
        _await(lambda: not node.alive, f"process {node.pid} (the node) does not end")
    network.disconnect(instance)
    cgroups.remove(instance.cgroup)
    state.forget_node(instance)


def _await(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + KILL_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise ClusterError(otherwise)
        time.sleep(0.02)
