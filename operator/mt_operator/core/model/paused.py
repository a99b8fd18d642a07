"""What a rollout waits for that only a person, or traffic, can give; and how to go on."""

from __future__ import annotations

from mt_operator.core.model.advice import ABORT, PROMOTE, RESUME, how_to
from mt_operator.core.model.analysis import lacks_data
from mt_operator.core.model.state import Candidate, ModelStatus, Stage
from mt_operator.core.model.turn import Kind, Situation
from mt_operator.core.reasons import Reason


def waits_for_person(s: Situation, status: ModelStatus) -> tuple[Reason, str] | None:
    """Return reason and message of the condition Paused, or None where nothing waits."""
    if s.obstacle is not None and s.obstacle.kind is Kind.SUSPENSION:
        return s.obstacle.reason, s.obstacle.message
    candidate = status.candidate
    if candidate is None or candidate.stage is Stage.ROLLING_BACK:
        return None
    name, to_end = candidate.name, how_to(s.meta, ABORT, candidate.name)
    if candidate.paused:
        told = f"{name} is held at {candidate.weight} %, as asked for (stage {candidate.stage})."
        to_go_on = how_to(s.meta, RESUME, name)
        return Reason.PAUSED, f"{told} To go on: {to_go_on}. To end it: {to_end}."
    to_go_on = how_to(s.meta, PROMOTE, name)
    if candidate.stage is Stage.AWAITING_APPROVAL:
        told = f"{name} passed its serving check; nothing gets weight before it is approved."
        return Reason.AWAITING_APPROVAL, f"{told} To approve: {to_go_on}. To end it: {to_end}."
    if candidate.analysis is not None and lacks_data(candidate):
        told = f"{name} stays at {candidate.weight} %: {candidate.analysis.message} (onNoData)."
        more = "Send it requests; rollout.analysis.syntheticTraffic does, from the next rollout on."
        return Reason.NO_DATA, f"{told} {more} To go on without: {to_go_on}. To end it: {to_end}."
    if _endless(candidate):
        told = f"{name} stays at {candidate.weight} % until it is promoted ({_where(candidate)})."
        return Reason.PAUSED, f"{told} To go on: {to_go_on}. To end it: {to_end}."
    return None


def _endless(candidate: Candidate) -> bool:
    if candidate.stage is not Stage.CANARY or candidate.rollout is None:
        return False
    pause = candidate.rollout.steps[candidate.step].pause
    return pause is not None and pause.duration is None


def _where(candidate: Candidate) -> str:
    steps = len(candidate.rollout.steps) if candidate.rollout else 0
    return f"step {candidate.step + 1} of {steps}"
