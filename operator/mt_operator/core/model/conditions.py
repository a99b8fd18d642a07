"""What do people and tools read? Conditions, from the new status and what stands in its way.

Messages say what happened, with numbers, and what to do next. They change with transitions only:
nothing that moves by itself (a run's progress, a clock) stands in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from mt_operator.core.conditions import Conditions, get_condition, remove_condition, set_condition
from mt_operator.core.model import routing
from mt_operator.core.model.asked import asked_digest
from mt_operator.core.model.candidate import BEFORE_REVISION
from mt_operator.core.model.mode import splitting
from mt_operator.core.model.outcome import Progress, outcome
from mt_operator.core.model.paused import waits_for_person
from mt_operator.core.model.progress import progress
from mt_operator.core.model.state import ModelStatus, Rejected, Revision
from mt_operator.core.model.trigger import outstanding
from mt_operator.core.model.turn import Kind, Obstacle, Situation, Turn
from mt_operator.core.reasons import Reason, reason_or

READY, UP_TO_DATE, DEGRADED, PAUSED = "Ready", "UpToDate", "Degraded", "Paused"
RECONCILING, STALLED, SPLITTING = "Reconciling", "Stalled", "TrafficSplitting"


@dataclass(frozen=True)
class Finding:
    """What a condition says; ``status`` None is Unknown."""

    status: bool | None
    reason: Reason
    message: str


def conclude(s: Situation, turn: Turn) -> Turn:
    """Set all conditions, and tell of what has newly stalled."""
    status = turn.status
    stalled, reconciling = _stalled(s, status), _reconciling(s, status)
    findings = {
        READY: _ready(s, status, stalled),
        UP_TO_DATE: _up_to_date(s, status, stalled or reconciling),
        RECONCILING: None if stalled else reconciling,
        STALLED: stalled,
        DEGRADED: _degraded(status),
        PAUSED: _paused(s, status),
        SPLITTING: _splitting(s, status),
    }
    conditions = status.conditions
    for type, finding in findings.items():
        conditions = _put(s, conditions, type, finding)
    before = get_condition(status.conditions, STALLED)
    turn = turn.to(
        conditions=conditions,
        generation=s.meta.generation,
        pair=f"{s.spec['sourceLanguage']}-{s.spec['targetLanguage']}",
        url=_url(s, status),
    )
    news = stalled is not None and (before is None or before.reason != stalled.reason)
    if stalled is None or not news or _degraded(status).status is True:
        return turn
    return turn.tell(stalled.reason, stalled.message, warning=True)


def _put(s: Situation, conditions: Conditions, type: str, finding: Finding | None) -> Conditions:
    if finding is None:
        return remove_condition(conditions, type)
    return set_condition(
        conditions,
        type,
        finding.status,
        finding.reason,
        finding.message,
        s.meta.generation,
        s.now,
    )


def _ready(s: Situation, status: ModelStatus, stalled: Finding | None) -> Finding:
    production = status.production
    if production is None:
        hint = stalled.message if stalled else "The first one is on its way."
        told = f"No revision has reached production yet. {hint}"
        return Finding(False if stalled else None, Reason.NO_PRODUCTION, told)
    if not s.ready(production) and s.observed.cluster.kserve:
        told = f"{production.revision} is in production, but not ready."
        why = s.waiting(production) or "Look at the pods of its InferenceService."
        return Finding(False, Reason.NOT_READY, f"{told} {why}")
    return Finding(True, Reason.SERVING, f"{_described(production)} is in production.")


def _up_to_date(s: Situation, status: ModelStatus, why_not: Finding | None) -> Finding:
    if why_not is not None:
        return Finding(False, why_not.reason, why_not.message)
    answered = status.asked is not None and status.asked.digest == asked_digest(s.spec)
    if s.obstacle is not None and (not answered or status.candidate or outstanding(status)):
        return Finding(False, s.obstacle.reason, s.obstacle.message)
    return Finding(True, Reason.UP_TO_DATE, "What the spec asks for is in production.")


def _reconciling(s: Situation, status: ModelStatus) -> Finding | None:
    if s.obstacle is not None and s.obstacle.kind is Kind.CLUSTER:
        return Finding(True, s.obstacle.reason, s.obstacle.message)
    if s.obstacle is not None and s.obstacle.kind is Kind.SUSPENSION:
        return None
    candidate = status.candidate
    if candidate is None:
        if outstanding(status) is None:
            return None
        return Finding(True, Reason.RESOLVING, "A run is about to start. Next: its training.")
    return Finding(True, reason_or(candidate.stage.value, Reason.RESOLVING), progress(s, candidate))


def _stalled(s: Situation, status: ModelStatus) -> Finding | None:
    if s.obstacle is not None and s.obstacle.kind is Kind.PERSON:
        return Finding(True, s.obstacle.reason, s.obstacle.message)
    candidate, asked = status.candidate, status.asked
    if candidate is None:
        entry = status.rejection(asked.run) if asked else None
        return Finding(True, _reason(entry), _told(entry)) if entry else None
    run = s.runs.get(candidate.run)
    result = outcome(run) if run and candidate.stage in BEFORE_REVISION else None
    if result is None or result.progress is not Progress.STALLED:
        return None
    return Finding(True, result.reason, f"{candidate.run}: {result.message}")


def _degraded(status: ModelStatus) -> Finding:
    entry = status.rejection(status.asked.run) if status.asked else None
    if entry is None:
        told = "The last candidate that was asked for was not rejected."
        return Finding(False, Reason.COMPLETED, told)
    return Finding(True, _reason(entry), _told(entry))


def _paused(s: Situation, status: ModelStatus) -> Finding | None:
    waits = waits_for_person(s, status)
    if waits is not None:
        return Finding(True, *waits)
    if get_condition(status.conditions, PAUSED) is None:
        return None
    return Finding(False, Reason.COMPLETED, "Nothing waits for a person.")


def _splitting(s: Situation, status: ModelStatus) -> Finding:
    return Finding(*splitting(s, status))


def _url(s: Situation, status: ModelStatus) -> str | None:
    where = routing.endpoint(s)
    if status.production is None or isinstance(where, Obstacle):
        return status.url
    return where.url


def _described(build: Revision) -> str:
    scores = ", ".join(f"{name} {value}" for name, value in sorted(build.scores.items()))
    return f"{build.revision} of {build.run}" + (f" ({scores})" if scores else "")


def _reason(entry: Rejected) -> Reason:
    return reason_or(entry.reason, Reason.RUN_FAILED)


def _told(entry: Rejected) -> str:
    if entry.revision and entry.message.startswith(entry.revision):
        return entry.message
    return f"{entry.revision or entry.run} was rejected: {entry.message}"
