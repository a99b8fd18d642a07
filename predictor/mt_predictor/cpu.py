"""How many threads may work: what the container was given, which is not what the host has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MAX_WORKERS = 4  # with more CPUs each batch gets more of them, so that a lone request gains too


@dataclass(frozen=True)
class Threads:
    """Batches that are translated at a time, and the threads of each."""

    inter: int
    intra: int


def cpu_limit(cgroups: Path = CGROUPS) -> float | None:
    """Return the CPUs that the cgroup (v2 or v1) allows, or None where it sets no limit."""
    try:
        quota, period = (cgroups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            folder = cgroups / "cpu"
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
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


def available_threads(cgroups: Path = CGROUPS) -> Threads:
    """Return the threads for this container: its CPU limit, and never more than it may run on."""
    runnable = len(os.sched_getaffinity(0))
    return threads(min(runnable, cpu_limit(cgroups) or runnable))
