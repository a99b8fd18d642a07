"""What a decision is: children to have and to remove, the next status, when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from mt_operator.core.analysis.judge import Judgement

Manifest = Mapping[str, Any]


class Mode(StrEnum):
    """How a child is brought about."""

    # Once; an existing one is adopted if it is ours, and never changed (Jobs, TrainingRuns).
    CREATE = "create"
    # Server-side apply of exactly the fields in the manifest (InferenceServices, HTTPRoutes).
    APPLY = "apply"


@dataclass(frozen=True)
class Child:
    """A desired child, complete with its owner reference."""

    manifest: Manifest
    mode: Mode = Mode.APPLY
    removes: bool = False  # fields that are there and not in the manifest: it has to be sent

    @property
    def key(self) -> tuple[str, str]:
        """Return (kind, name)."""
        return self.manifest["kind"], self.manifest["metadata"]["name"]


@dataclass(frozen=True)
class Ref:
    """A child to delete, with the UID it was seen with: never another object of the same name."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event, emitted once the status that it announces is written."""

    type: str  # Normal | Warning
    reason: str
    message: str


@dataclass(frozen=True)
class Plan:
    """One decision. The applier does it in this order: apply, delete, status, events."""

    apply: tuple[Child, ...] = ()
    delete: tuple[Ref, ...] = ()
    status: Mapping[str, Any] | None = None  # the whole next status as JSON; None: unchanged
    events: tuple[Event, ...] = ()
    requeue_after: timedelta | None = (
        None  # the earliest moment at which time alone changes the decision
    )
    # What this look says of the candidate: for metrics, nothing is done about it.
    judgement: Judgement | None = field(default=None, compare=False)


class ImpossibleError(Exception):
    """A snapshot that cannot exist: tests fail, production reports Stalled and touches nothing."""
