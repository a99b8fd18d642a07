"""The control group of an instance's pods, in both versions of the kernel's interface.

Version 1 has one tree a controller, and the group is made in each. Version 2 has one tree, in which
a controller must be handed down before a group below can use it.
"""

from __future__ import annotations

import time
from pathlib import Path

from .errors import ClusterError

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")
REMOVAL_SECONDS = 10.0


def is_version_2(root: Path = ROOT) -> bool:
    """Tell whether the machine has one tree for all controllers."""
    return (root / "cgroup.controllers").is_file()


def groups(name: str, root: Path = ROOT) -> list[Path]:
    """Return where the group of this name stands, or would stand: one folder a tree."""
    if is_version_2(root):
        return [root / name]
    # Some trees stand there under two names.
    trees = {place.parent.resolve() for place in root.glob("*/cgroup.procs")}
    return sorted(tree / name for tree in trees)


def create(name: str, root: Path = ROOT) -> None:
    """Make the group in every tree, ready for a kubelet; one that is there is kept.

    Raises:
        ClusterError: the machine has no control groups, or they cannot be written.
    """
    places = groups(name, root)
    if not places:
        raise ClusterError(f"no control groups are mounted at {root}; a kubelet needs them")
    try:
        if is_version_2(root):
            _hand_down(root)
        for place in places:
            place.mkdir(exist_ok=True)
            if is_version_2(root):
                _hand_down(place)
            else:
                _fill_cpuset(place)
    except OSError as error:
        raise ClusterError(f"cannot make the control group {name}: {error}") from None


def _hand_down(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    wanted = [f"+{controller}" for controller in CONTROLLERS if controller in available]
    (group / "cgroup.subtree_control").write_text(" ".join(wanted))


def _fill_cpuset(group: Path) -> None:
    # A new cpuset is empty, and no process may enter an empty one.
    for setting in ("cpuset.cpus", "cpuset.mems"):
        if (group / setting).is_file() and not (group / setting).read_text().strip():
            (group / setting).write_text((group.parent / setting).read_text())


def remove(name: str, root: Path = ROOT) -> None:
    """Remove the group and all below it from every tree. Its processes must be gone.

    Raises:
        ClusterError: something still runs in it.
    """
    deadline = time.monotonic() + REMOVAL_SECONDS
    for place in groups(name, root):
        while place.exists() and not _removed(place):
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"the control group {place} stays; processes in it: {_processes(place)}"
                )
            time.sleep(0.1)


def _removed(place: Path) -> bool:
    # Deepest first; the files in a group are the kernel's and go with its folder.
    below = sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True)
    try:
        for group in [*below, place]:
            group.rmdir()
    except FileNotFoundError:
        return not place.exists()
    except OSError:
        return False
    return True


def _processes(place: Path) -> str:
    found = [file.read_text().split() for file in place.rglob("cgroup.procs")]
    return ", ".join(pid for pids in found for pid in pids) or "none"
