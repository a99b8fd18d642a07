"""How busy the machine is, by MLflow's own names for it: processor, memory, GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mt_trainer.device import cpu_limit

_MEGABYTE = 2**20
_CGROUPS, _PROC = Path("/sys/fs/cgroup"), Path("/proc")
_QUERY = "--query-gpu=index,utilization.gpu,memory.used,memory.total"
_GPU_SECONDS = 10.0  # nvidia-smi hangs where a driver does


class Meter:
    """Measures this process between two readings."""

    def __init__(self, ask_gpus: Callable[[], str] | None = None) -> None:
        """Begin to measure; ``ask_gpus`` gives the GPUs' table (else nvidia-smi, if it is here)."""
        self._ask = ask_gpus or (nvidia_smi if shutil.which("nvidia-smi") else None)
        self._cores, self._memory = cpu_limit(), memory_limit()
        self._gpus: dict[str, float] = {}
        self._asking: threading.Thread | None = None
        self._before = time.monotonic(), time.process_time()

    def read(self) -> dict[str, float]:
        """Return the processor's load since the last reading, memory, the GPUs' last figures."""
        (before, used), self._before = self._before, (time.monotonic(), time.process_time())
        elapsed, busy = self._before[0] - before, self._before[1] - used
        resident = resident_bytes()
        self._ask_aside()
        return {
            "system/cpu_utilization_percentage": 100 * busy / max(elapsed, 1e-3) / self._cores,
            "system/system_memory_usage_megabytes": resident / _MEGABYTE,
            "system/system_memory_usage_percentage": 100 * resident / self._memory,
        } | self._gpus

    def _ask_aside(self) -> None:
        """Ask for the GPUs beside the training, which does not wait; the next reading has them."""
        if self._ask is None or (self._asking and self._asking.is_alive()):
            return
        self._asking = threading.Thread(target=self._refresh, args=(self._ask,), daemon=True)
        self._asking.start()

    def _refresh(self, ask: Callable[[], str]) -> None:
        try:
            self._gpus = gpus(ask())
        except (OSError, ValueError, subprocess.SubprocessError):
            self._gpus = {}


def gpus(table: str) -> dict[str, float]:
    """Return the figures of nvidia-smi's table; a figure that a GPU does not tell is left out."""
    found: dict[str, float] = {}
    for row in table.splitlines():
        index, *cells = (cell.strip() for cell in row.split(","))
        load, used, total = (float(cell) if _is_number(cell) else None for cell in cells)
        if load is not None:
            found[f"system/gpu_{index}_utilization_percentage"] = load
        if used is not None:
            found[f"system/gpu_{index}_memory_usage_megabytes"] = used
        if used is not None and total:
            found[f"system/gpu_{index}_memory_usage_percentage"] = 100 * used / total
    return found


def nvidia_smi() -> str:
    """Return a line for each GPU.

    Raises:
        OSError: it cannot be run.
        subprocess.SubprocessError: it failed, or hangs.
    """
    command = ["nvidia-smi", _QUERY, "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_GPU_SECONDS)
    return done.stdout


def resident_bytes(proc: Path = _PROC) -> int:
    """Return how much memory this process holds."""
    pages = (proc / "self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def memory_limit(cgroups: Path = _CGROUPS, proc: Path = _PROC) -> int:
    """Return how much memory it may hold: its container's limit (cgroup v2 or v1), or all."""
    total = int((proc / "meminfo").read_text().split()[1]) * 1024
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return min(total, int((cgroups / name).read_text()))
        except (OSError, ValueError):
            continue  # not this version, or "max"
    return total


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
