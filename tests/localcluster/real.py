"""Clusters for tests, driven by the command line, and what a cluster that is down left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from localcluster import cgroups, network, state
from localcluster.instance import Instance

PACKAGE = Path(__file__).resolve().parents[2] / "localcluster"


def command(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "localcluster", words[0], "--name", name, *words[1:]]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PACKAGE)}


def localcluster(name: str, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        command(name, *words), env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def node_of(instance: Instance) -> state.NodeProcess:
    node = state.load_node(instance)
    assert node is not None, "the node does not run"
    return node


def left_behind(instance: Instance) -> list[str]:
    """Return all that the host still has of an instance that is down."""
    found = [str(group) for group in cgroups.groups(instance.cgroup) if group.exists()]
    if network.exists(instance.link_name):
        found.append(instance.link_name)
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    found += [line for line in routes.splitlines() if instance.link_name in line]
    mounts = Path("/proc/mounts").read_text().splitlines()
    found += [line for line in mounts if str(instance.folder) in line]
    return found + processes_of(instance)


def processes_of(instance: Instance) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(instance.folder) in line:
            found.append(line)
    return found
