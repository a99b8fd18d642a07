"""Where the programs that are measured find what their locks ask for: an environment each."""

from __future__ import annotations

import subprocess
from pathlib import Path

# The allocator keeps what PyTorch frees, which else comes back page by page: JoeyNMT is nearly
# twice as fast with it. The TensorFlow programs are not, so they run as they come.
JOEYNMT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
ROOT = Path(__file__).parents[1]


def environment(program: str) -> str:
    """Return the python of a program; its environment is made if it is missing."""
    made = subprocess.run(
        ["make", "-s", f"venv-{program}"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return f"{made.stdout.splitlines()[-1]}/bin/python"


def joeynmt_environment() -> str:
    """Return the python that has JoeyNMT (``joeynmt/requirements.lock``, with torch: 5 GB)."""
    return environment("joeynmt")


def versions(python: str, *packages: str) -> dict[str, str]:
    """Return which versions of ``packages`` the environment of ``python`` has."""
    ask = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    told = subprocess.run(
        [python, "-c", ask, *packages], check=True, capture_output=True, text=True
    ).stdout.split()
    return dict(zip(packages, told, strict=True))
