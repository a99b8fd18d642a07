"""The program as people run it: a process of its own, which sets up TensorFlow for itself."""

from __future__ import annotations

import os
import subprocess
import sys


def run(*arguments: str) -> None:
    """Run ``mt-trainer`` to its good end."""
    done = subprocess.run(
        [sys.executable, "-m", "mt_trainer", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
