"""Reads `versions.mk`, where versions stand that no lock file and no go.mod holds."""

from __future__ import annotations

import re
from pathlib import Path

from .errors import ClusterError

VERSIONS_FILE = Path(__file__).resolve().parents[2] / "versions.mk"


def parse(text: str) -> dict[str, str]:
    """Return the `KEY = value` lines of a makefile; comments and blank lines are skipped."""
    pairs = (re.fullmatch(r"(\w+)\s*[:?]?=\s*(.*?)\s*", line) for line in text.splitlines())
    return {pair[1]: pair[2] for pair in pairs if pair}


def version(key: str) -> str:
    """Return one version of `versions.mk`.

    Raises:
        ClusterError: there is no such key.
    """
    found = parse(VERSIONS_FILE.read_text())
    if key not in found:
        raise ClusterError(f"{VERSIONS_FILE} has no line `{key} = …`; add it")
    return found[key]


def at_least(found: str, minimum: str) -> bool:
    """Tell whether a dotted version is the minimum or newer; both may have a `v` before them."""
    return _numbers(found) >= _numbers(minimum)


def _numbers(dotted: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", dotted.partition("-")[0]))
