"""The emergency way back: an earlier production revision takes all traffic, as somebody asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mt_operator.core.model.advice import ABORT, RETRY, how_to
from mt_operator.core.model.candidate import steps_for
from mt_operator.core.model.rollback import UNDER_WAY, drop_candidate, not_retiring, remember
from mt_operator.core.model.state import Candidate, ModelStatus, Previous, Stage, Trial
from mt_operator.core.model.steps import enter_step
from mt_operator.core.model.trigger import next_request
from mt_operator.core.model.turn import Kind, Situation, Turn
from mt_operator.core.reasons import Reason


def go_back(s: Situation, turn: Turn, token: str) -> Turn | str:
    """Make an earlier production revision the candidate: no approval, and no steps if it is recent.

    Its pods may still be up: then it needs no other check than the one it had. What it replaces is
    rejected when it has all traffic; a candidate that stands in its way is, at once.
    """
    status, target = turn.status, token.partition("/")[0]
    entry = next((e for e in status.previous if e.revision == target), None)
    refused = _refused(s, status, target, entry)
    if refused or entry is None:
        return refused
    up = s.ready(entry.build)
    turn = _clear(s, turn, target)
    rollout, why = steps_for(status, replace(s.rollout, approval="Automatic"), entry.build)
    build = replace(entry.build, requested=next_request(s, status), since=None)
    begun = Candidate(
        build.run,
        build.requested,
        Stage.DEPLOYING,
        s.now,
        build=build,
        rollout=rollout,
        back=True,
        override=build.override,
        message=f"Somebody asked for the way back to it. {why}".strip(),
    )
    turn = turn.to(candidate=begun, retiring=not_retiring(turn.status, build))
    turn = turn.tell(Reason.ROLLING_BACK, f"The way back to {target} is taken, as asked for.")
    return enter_step(s, turn, Trial(begun, build, rollout), 0) if up else turn


def _refused(s: Situation, status: ModelStatus, target: str, entry: Previous | None) -> str:
    production, candidate = status.production, status.candidate
    if s.obstacle is not None and s.obstacle.kind is not Kind.SUSPENSION:
        return f"not now: {s.obstacle.message} Then annotate again, with another suffix."
    if production is not None and production.revision == target:
        told = f"{target} is in production."
        if candidate is None:
            return f"{told} Nothing is to do."
        return f"{told} To end the candidate: {how_to(s.meta, ABORT, candidate.name)}."
    if candidate is not None and candidate.back and candidate.goes_by(target):
        return f"the way back to {target} is under way already. Nothing is to do."
    if entry is None:
        known = ", ".join(e.revision for e in status.previous) or "none"
        return f"{target} is not in status.previous, which names: {known}. Name one of these."
    if status.rejection(entry.build.run, target) is not None:
        return f"{target} was rejected. To try it again: {how_to(s.meta, RETRY, target)}."
    return ""


def _clear(s: Situation, turn: Turn, target: str) -> Turn:
    """End the candidate that stands in the way."""
    candidate = turn.status.candidate
    if candidate is None or candidate.goes_by(target):
        return turn
    delay = candidate.rollout.scale_down_delay if candidate.rollout else timedelta()
    if candidate.stage is Stage.ROLLING_BACK:
        return drop_candidate(s, turn, delay)
    told = f"{candidate.name} gave way to the way back to {target}"
    turn = remember(s, turn, candidate.run, candidate.build, Reason.ROLLED_BACK, told)
    had_traffic = candidate.stage in UNDER_WAY
    turn = drop_candidate(s, turn, delay if had_traffic else timedelta())
    reason = Reason.ROLLED_BACK if had_traffic else Reason.SUPERSEDED
    return turn.tell(reason, f"{told}.", warning=True)
