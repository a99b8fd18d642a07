"""A model's status as values: what the last decision knew, and all that the next one has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from mt_contract.resource import ArtifactRef, Rollout
from mt_operator.core.analysis.evidence import Baseline
from mt_operator.core.conditions import Conditions

Tree = Mapping[str, Any]


class Cause(StrEnum):
    """Why a run starts."""

    SPEC = "Spec"  # another recipe
    SERVING = "Serving"  # another engine, precision, beam or image
    EVALUATION = "Evaluation"  # other test data or gates
    MANUAL = "Manual"  # somebody asked for one more


class Stage(StrEnum):
    """Where a candidate is; rollout.py draws how one leads to another."""

    TRAINING = "Training"
    EVALUATING = "Evaluating"
    DEPLOYING = "Deploying"
    SERVING_CHECK = "ServingCheck"
    AWAITING_APPROVAL = "AwaitingApproval"
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
    source: str | None = None  # the run whose artifact is reused
    token: str = ""  # of the retry or retrain that asked once more


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
    override: str = ""  # what its gates said, where somebody blessed its run all the same


@dataclass(frozen=True)
class Probe:
    """The serving check: which Job is at it, and how often it went wrong."""

    attempt: int
    failed: int = 0  # requests got no answer
    lost: int = 0  # it completed without a readable message


@dataclass(frozen=True)
class Analysed:
    """What is known of a candidate under traffic; the numbers are those of the last transition."""

    since: datetime  # when the evidence began: its weight was given
    baseline: Baseline | None = None  # what had been counted then; None: there was no reading
    failures: int = 0  # failed intervals in a row
    checked: datetime | None = None  # when an interval was counted last, failed or not
    verdict: str = ""
    message: str = ""
    requests: int = 0
    metrics: tuple[Tree, ...] = ()


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
    held_since: datetime | None = None  # its clocks stand still since then
    paused: bool = False  # somebody asked for that
    analysis: Analysed | None = None  # None: no weight was given, or nothing is analysed
    waived: bool = False  # somebody promoted it: the last weight needs no data
    unforced: bool = False  # its weight took long; a pause counts from when it is in force
    back: bool = False  # somebody asked for this way back: nothing takes its place
    override: str = ""  # as a revision's
    reason: str = ""
    message: str = ""

    @property
    def name(self) -> str:
        """Return its revision, once there is one; until then its run."""
        return self.build.revision if self.build else self.run

    def goes_by(self, name: str) -> bool:
        """Return whether ``name`` is its revision or its run."""
        return name in (self.name, self.run)


@dataclass(frozen=True)
class Trial:
    """A candidate that has come to a revision, with what its rollout needs."""

    candidate: Candidate
    build: Revision
    rollout: Rollout

    @property
    def asked_weight(self) -> int:
        """Return the weight of the current step: a pause keeps the one before it."""
        steps = self.rollout.steps[: self.candidate.step + 1]
        weights = [step.set_weight for step in steps if step.set_weight is not None]
        return weights[-1] if weights else 0

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
    """An earlier production revision, with all that serving it again needs."""

    build: Revision
    retired: datetime
    rolled_back: bool = False  # somebody took it back: no return to it skips the steps

    @property
    def revision(self) -> str:
        """Return its name."""
        return self.build.revision


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
    traffic_backend: str = ""  # how requests are split; found once
    url: str | None = None
    generation: int = 0

    def rejection(self, run: str, revision: str | None = None) -> Rejected | None:
        """Return why this run, or the revision that came of it, is not tried again."""
        for entry in reversed(self.rejected):
            if entry.run == run or (revision is not None and entry.revision == revision):
                return entry
        return None
