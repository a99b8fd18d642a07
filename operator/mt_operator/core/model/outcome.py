"""What a TrainingRun has come to, as its model reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from mt_contract.codec import parse_time
from mt_contract.names import revision_name
from mt_contract.resource import ArtifactRef
from mt_operator.core.model.state import Revision, Tree
from mt_operator.core.observed import RunView
from mt_operator.core.reasons import Reason, reason_or

# What a model says of a run that failed; any other reason of a run is a RunFailed here.
_TOLD = frozenset({Reason.DATA_INVALID, Reason.GATE_FAILED, Reason.GATE_INCONCLUSIVE})
_WAITING = frozenset(
    {
        Reason.WAITING_FOR_STORAGE.value,
        Reason.WAITING_FOR_POD.value,
        Reason.WAITING_FOR_QUOTA.value,
        Reason.SUSPENDED.value,
    }
)


class Progress(Enum):
    """How far a run is."""

    TRAINING = auto()
    EVALUATING = auto()
    BLESSED = auto()
    REJECTED = auto()
    STALLED = auto()


@dataclass(frozen=True)
class Outcome:
    """How far a run is; reason and message where it went wrong."""

    progress: Progress
    reason: Reason = Reason.RUN_FAILED
    message: str = ""

    @property
    def ended(self) -> bool:
        """Return whether nothing more comes of the run."""
        return self.progress in (Progress.BLESSED, Progress.REJECTED)


def outcome(run: RunView) -> Outcome:
    """Return what ``run`` has come to."""
    # Read as they are: every run of a model is looked at in every decision.
    found = {c.get("type"): c for c in run.status.get("conditions") or ()}
    true = {type for type, condition in found.items() if condition.get("status") == "True"}
    if {"Blessed", "Succeeded"} <= true:
        return Outcome(Progress.BLESSED)
    if "Failed" in true:
        return _rejected(found["Failed"])
    if "Succeeded" in true:
        return _rejected(found.get("Blessed") or {})
    if "Stalled" in true:
        stalled = found["Stalled"]
        reason = reason_or(stalled.get("reason", ""), Reason.RUN_FAILED)
        return Outcome(Progress.STALLED, reason, stalled.get("message", ""))
    trained = "Trained" in true or "import" in run.spec
    return Outcome(Progress.EVALUATING if trained else Progress.TRAINING)


def succeeded(run: RunView) -> bool:
    """Return whether the run came to its end, whatever its gates said."""
    conditions = run.status.get("conditions") or ()
    return any(c.get("type") == "Succeeded" and c.get("status") == "True" for c in conditions)


def waiting(run: RunView) -> str:
    """Return what an unfinished run waits for that its model's reader should know, or nothing."""
    for condition in run.status.get("conditions") or ():
        if condition.get("type") == "Reconciling" and condition.get("reason") in _WAITING:
            return str(condition.get("message", ""))
    return ""


def completed(run: RunView) -> datetime | None:
    """Return when the run ended; else when it was made, if that is known."""
    time = run.status.get("completionTime")
    return parse_time(time) if time else run.meta.created


def artifact(run: RunView) -> Tree | None:
    """Return the artifact ({uri, digest}) that the run has published or imported."""
    found: Tree | None = run.status.get("artifact")
    return found if found and found.get("digest") and found.get("uri") else None


@dataclass(frozen=True)
class Options:
    """How revisions are served: what users change in place."""

    resolved: Tree
    written: Tree = field(default_factory=dict)


def revision(run: RunView, requested: datetime, options: Options) -> Revision | None:
    """Return the revision that a blessed run makes, or None if its status does not hold it all."""
    published, inputs = artifact(run), run.status.get("inputs") or {}
    engine, folder = inputs.get("engine"), inputs.get("folder")
    if published is None or not engine or not folder:
        return None
    return Revision(
        revision=revision_name(
            published["digest"],
            engine["engine"],
            engine["precision"],
            engine["beamSize"],
            engine["image"],
        ),
        run=run.meta.name,
        requested=requested,
        artifact=ArtifactRef(published["uri"], published["digest"], published.get("sizeBytes")),
        folder=folder,
        engine=engine,
        serving=options.resolved,
        written=options.written,
        scores=(run.status.get("evaluation") or {}).get("scores") or {},
    )


def _rejected(condition: Tree) -> Outcome:
    reason, message = condition.get("reason", ""), condition.get("message", "")
    known = reason_or(reason, Reason.RUN_FAILED)
    if known in _TOLD:
        return Outcome(Progress.REJECTED, known, message)
    text = message if reason in ("", Reason.RUN_FAILED.value) else f"{reason}: {message}"
    return Outcome(Progress.REJECTED, Reason.RUN_FAILED, text)
