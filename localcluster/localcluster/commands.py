"""Runs other programs and turns their failures into errors that say what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import ClusterError

TAIL_LINES = 15


def run(
    argv: Sequence[str | Path],
    *,
    what: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    timeout: float = 600,
) -> str:
    """Run a program to its end and return what it wrote to its standard output.

    Args:
        argv: the program and its arguments.
        what: what it does, for the error message ("building etcd").
        env: variables on top of the caller's.
        cwd: the folder to run it in.
        stdin: text it reads; nothing of the caller's.
        log: a file that gets all its output; then the empty string is returned.
        timeout: seconds until it is killed.

    Raises:
        ClusterError: it is missing, failed or ran out of time.
    """
    command = [str(word) for word in argv]
    if shutil.which(command[0]) is None:
        raise ClusterError(f"{what} failed: there is no program {command[0]} on the path")
    done = _finished(command, what, env, cwd, stdin, log, timeout)
    if done.returncode != 0:
        output = log.read_text(errors="replace") if log else done.stdout + done.stderr
        where = f" (all of it: {log})" if log else ""
        raise ClusterError(
            f"{what} failed: {' '.join(command[:6])} ended with {done.returncode}{where}\n"
            f"{tail(output)}"
        )
    return "" if log else done.stdout


def _finished(
    command: list[str],
    what: str,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdin: str | None,
    log: Path | None,
    timeout: float,
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **(env or {})}
    try:
        if log is None:
            return subprocess.run(
                command, env=environment, cwd=cwd, input=stdin or "", timeout=timeout, text=True,
                capture_output=True, errors="replace", check=False,
            )  # fmt: skip
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as out:
            return subprocess.run(
                command, env=environment, cwd=cwd, input=stdin or "", timeout=timeout, text=True,
                stdout=out, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{what} did not end within {timeout:.0f} s; it was stopped") from None


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a text, indented for use below an error message."""
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-lines:])
