"""Looking at a cluster as a user who may not see everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mt_cli.errors import ApiError, Code
from mt_cli.kube import Kube

Tree = Mapping[str, Any]


class Verdict(StrEnum):
    """What a check comes to."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"  # the user may not look


@dataclass(frozen=True)
class Row:
    """One check: what was found, and what to do about it."""

    check: str
    verdict: Verdict
    found: str
    todo: str = ""


@dataclass(frozen=True)
class Denied:
    """The user may not look."""

    message: str


@dataclass(frozen=True)
class Place:
    """Where is looked: a cluster, a namespace of the user's, and that of the operator."""

    kube: Kube
    namespace: str
    system: str | None  # None: wherever the operator is found
    now: datetime
    sleep: Callable[[float], None]

    def look(self, path: str, **query: str) -> Tree | Denied | None:
        """Return what stands at ``path``; None where there is nothing."""
        try:
            return self.kube.get(path, **query)
        except ApiError as error:
            if error.code is Code.NOT_FOUND:
                return None
            if error.code is Code.FORBIDDEN:
                return Denied(str(error))
            raise

    def served(self, group_version: str, resource: str) -> bool:
        """Return whether the API server knows a resource; everybody may ask that."""
        found = self.look(f"/apis/{group_version}")
        if found is None or isinstance(found, Denied):
            return False
        return any(item.get("name") == resource for item in found.get("resources") or ())


Check = Callable[[Place], Iterator[Row]]


def unknown(check: str, what: str) -> Row:
    """Return the row of a check that the user may not make."""
    told = f"you may not look at {what}"
    return Row(check, Verdict.UNKNOWN, told, "Ask an administrator to run this command.")
