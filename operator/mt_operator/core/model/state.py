"""A model's stored status as values: what the last decision knew, and all that the next one has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from mt_contract.codec import DecodeError, camel, from_json, parse_time, to_json
from mt_contract.resource import ArtifactRef, Rollout
from mt_operator.core.conditions import Conditions, read_conditions, write_conditions

Tree = Mapping[str, Any]


class Cause(StrEnum):
    """Why a run starts."""

    SPEC = "Spec"  # another recipe
    SERVING = "Serving"  # another engine, precision, beam or image
    EVALUATION = "Evaluation"  # other test data or gates


class Stage(StrEnum):
    """Where a candidate is; rollout.py draws how one leads to another."""

    TRAINING = "Training"
    EVALUATING = "Evaluating"
    DEPLOYING = "Deploying"
    SERVING_CHECK = "ServingCheck"
    CANARY = "Canary"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"


@dataclass(frozen=True)
class Asked:
    """What the spec asks for, and the run that answers it: one that exists, or one to be made."""

    digest: str  # of what the user wrote
    run: str
    since: datetime
    cause: Cause | None = None  # None: the run was there already
    source: str | None = None  # the run whose artifact is imported
    token: str = ""  # of the retry that asked once more


@dataclass(frozen=True)
class Revision:
    """An artifact with the engine that it was judged with: all that serving it needs."""

    revision: str
    run: str
    requested: datetime  # when it was asked for: the later request wins
    artifact: ArtifactRef
    folder: str  # of its run, where the evaluation stands
    engine: Tree  # resolved
    serving: Tree  # options changed in place, resolved
    written: Tree  # the same as the user wrote them
    scores: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None  # as production


@dataclass(frozen=True)
class Probe:
    """The serving check: which Job is at it, and how often it went wrong."""

    attempt: int
    failed: int = 0  # requests got no answer
    lost: int = 0  # it completed without a readable message


@dataclass(frozen=True)
class Candidate:
    """What is tried: a run, then (from Deploying on) a revision."""

    run: str
    requested: datetime
    stage: Stage
    stage_since: datetime
    build: Revision | None = None
    rollout: Rollout | None = None  # as resolved when it began
    step: int = 0
    step_since: datetime | None = None  # a pause's begin, or since when a weight is waited for
    weight: int = 0
    replicas: int = 0  # what its autoscaler may not go below
    interruptions: int = 0  # how often it lost its weight because it was not ready
    probe: Probe | None = None
    held_since: datetime | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Trial:
    """A candidate that has come to a revision, with what its rollout needs."""

    candidate: Candidate
    build: Revision
    rollout: Rollout

    def but(self, **changes: Any) -> Trial:
        """Return this trial with fields of the candidate replaced."""
        return replace(self, candidate=replace(self.candidate, **changes))


def trial_of(candidate: Candidate | None) -> Trial | None:
    """Return the candidate as a trial, if it has come to a revision."""
    if candidate is None or candidate.build is None or candidate.rollout is None:
        return None
    return Trial(candidate, candidate.build, candidate.rollout)


@dataclass(frozen=True)
class Retiring:
    """A revision without traffic that stays up for an instant way back."""

    build: Revision
    until: datetime


@dataclass(frozen=True)
class Previous:
    """An earlier production revision."""

    revision: str
    run: str
    artifact: ArtifactRef
    retired: datetime


@dataclass(frozen=True)
class Rejected:
    """A run or revision that failed: never rolled out again without a retry."""

    run: str
    reason: str
    message: str
    time: datetime
    revision: str | None = None


@dataclass(frozen=True)
class ModelStatus:
    """The status of a TranslationModel."""

    asked: Asked | None = None
    production: Revision | None = None
    candidate: Candidate | None = None
    previous: tuple[Previous, ...] = ()
    retiring: tuple[Retiring, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    handled: Mapping[str, str] = field(default_factory=dict)
    conditions: Conditions = ()
    pair: str | None = None  # of languages, for a column
    url: str | None = None
    generation: int = 0

    def rejection(self, run: str, revision: str | None = None) -> Rejected | None:
        """Return why this run, or the revision that came of it, is not tried again."""
        for entry in reversed(self.rejected):
            if entry.run == run or (revision is not None and entry.revision == revision):
                return entry
        return None


def decode_status(tree: Tree) -> ModelStatus:
    """Return the stored status.

    Raises:
        DecodeError: somebody else wrote to it; the message names the field.
    """
    triggers = tree.get("triggers") or {}
    production, candidate = tree.get("production"), tree.get("candidate")
    return ModelStatus(
        asked=from_json(Asked, triggers["asked"], "status.asked") if "asked" in triggers else None,
        production=from_json(Revision, production, "status.production") if production else None,
        candidate=_candidate(candidate) if candidate else None,
        previous=_list(Previous, tree, "previous"),
        retiring=tuple(_retiring(item) for item in tree.get("retiring") or ()),
        rejected=_list(Rejected, tree, "rejected"),
        handled=tree.get("handled") or {},
        conditions=read_conditions(tree),
        pair=tree.get("pair"),
        url=tree.get("url"),
        generation=tree.get("observedGeneration", 0),
    )


def encode_status(status: ModelStatus, stored: Tree) -> dict[str, Any]:
    """Return ``status`` as JSON, laid upon ``stored`` (which may hold what later releases add)."""
    triggers = dict(stored.get("triggers") or {})
    if status.asked:
        triggers["asked"] = {k: v for k, v in to_json(status.asked).items() if v}
    ours: dict[str, Any] = {
        "observedGeneration": status.generation,
        "triggers": triggers,
        "production": to_json(status.production),
        "candidate": _flat(status.candidate) if status.candidate else None,
        "previous": to_json(status.previous),
        "retiring": [_flat(entry) for entry in status.retiring],
        "rejected": to_json(status.rejected),
        "handled": dict(status.handled),
        "conditions": write_conditions(status.conditions),
        "pair": status.pair,
        "url": status.url,
        "address": {"url": status.url} if status.url else None,
        "trafficBackend": "HTTPRoute" if status.url else None,
    }
    kept = {key: value for key, value in stored.items() if key not in ours}
    return kept | {key: value for key, value in ours.items() if value not in (None, [], {})}


def _list(cls: type[Any], tree: Tree, key: str) -> tuple[Any, ...]:
    items = tree.get(key) or ()
    return tuple(from_json(cls, item, f"status.{key}[{i}]") for i, item in enumerate(items))


def _candidate(tree: Tree) -> Candidate:
    """Decode a candidate, whose revision stands flat beside its progress."""
    where = "status.candidate"
    build = from_json(Revision, tree, where) if tree.get("revision") else None
    return replace(from_json(Candidate, tree, where), build=build)


def _retiring(tree: Tree) -> Retiring:
    build = from_json(Revision, tree, "status.retiring")
    try:
        return Retiring(build, parse_time(tree["until"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DecodeError(f"status.retiring: until is missing or no time ({error})") from error


def _flat(value: Candidate | Retiring) -> dict[str, Any]:
    own = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "build"}
    plain = {camel(name): to_json(item) for name, item in own.items() if item not in (None, "")}
    return (to_json(value.build) if value.build else {}) | plain
