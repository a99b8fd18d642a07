"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is: an error keeps the object from being taken, or from doing anything."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """Something about one place of one object."""

    where: str  # spec.evaluation.gates[0].min
    message: str
    severity: Severity = Severity.ERROR
    by: str = "schema"  # schema | rule | operator | advice
