"""How many threads may work: what the container was given, which is not what the host has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
MAX_WORKERS = 4  # with more CPUs each batch gets more of them, so that a lone request gains too


@dataclass(frozen=True)
class Threads:
    """Batches that are translated at a time, and the threads of each."""

    inter: int
    intra: int


def cpu_limit(cgroups: Path = CGROUPS, own: Path = OWN) -> float | None:
    """Return the CPUs that this process may use at a time, or None where nothing limits them.

    Args:
        cgroups: where the hierarchies are, of version 2 or 1 or both.
        own: the process's groups in them, as /proc/self/cgroup has them. A container mostly sees
            its own group as the root; where it does not, each group above it limits it as well.
    """
    limits = [_limit(folder) for folder in _groups(cgroups, own)]
    return min((limit for limit in limits if limit is not None), default=None)


def _groups(cgroups: Path, own: Path) -> Iterator[Path]:
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    for line in (*lines, "0::/", "0:cpu:/"):
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = PurePosixPath(path.lstrip("/"))
        for above in (group, *group.parents):
            yield cgroups / controllers / above


def _limit(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None  # "max"
    return limit if limit > 0 else None  # v1 says -1 for no limit


def threads(cpus: float) -> Threads:
    """Return how to use ``cpus``.

    Two workers of one thread translate twice as much as one worker of two on shared cores, so
    workers come first.
    """
    whole = max(1, int(cpus))
    inter = min(whole, MAX_WORKERS)
    return Threads(inter, whole // inter)


def available_threads(
    cgroups: Path = CGROUPS, own: Path = OWN, runnable: int | None = None
) -> Threads:
    """Return the threads for this container: its CPU limit, and never more than it may run on.

    Args:
        cgroups: as of ``cpu_limit``.
        own: as well.
        runnable: the CPUs that the scheduler lets the process run on, which is what cpusets come
            to; None asks.
    """
    known = runnable or len(os.sched_getaffinity(0))
    return threads(min(known, cpu_limit(cgroups, own) or known))
