"""How a candidate ends that does not become production: rejected or superseded, and taken down."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from mt_operator.core.conditions import shorten
from mt_operator.core.model.advice import RETRY, how_to
from mt_operator.core.model.state import (
    Candidate,
    ModelStatus,
    Rejected,
    Retiring,
    Revision,
    Stage,
)
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.reasons import Reason

TOLD = 640  # characters of a reason: what to do has to stand in a condition, too
REMEMBERED = 20  # rejections; older ones are forgotten
UNDER_WAY = frozenset({Stage.CANARY, Stage.PROMOTING})  # may be given weight


def reject(s: Situation, turn: Turn, reason: Reason, message: str) -> Turn:
    """End the candidate: remembered with reason and message, and its traffic given back.

    A candidate that may have traffic gets the stage RollingBack, until the gateway has taken it
    away; any other is gone at once.
    """
    candidate = turn.status.candidate
    assert candidate is not None, "only a candidate can be rejected"
    turn = remember(s, turn, candidate.run, candidate.build, reason, message)
    turn = turn.tell(reason, f"{candidate.run} is rejected: {message}", warning=True)
    if candidate.stage in UNDER_WAY:
        return turn.to(candidate=_rolling_back(candidate, s.now, reason, message))
    return drop_candidate(s, turn, delay=timedelta())


def remember(
    s: Situation, turn: Turn, run: str, build: Revision | None, reason: Reason, message: str
) -> Turn:
    """Note a run and its revision as rejected: neither is tried again by itself."""
    again = how_to(s.meta, RETRY, build.revision if build else run)
    told = shorten(message.rstrip(". "), TOLD)
    entry = Rejected(
        run=run,
        reason=reason.value,
        message=f"{told}. Change the spec; or to try it again: {again}.",
        time=s.now,
        revision=build.revision if build else None,
    )
    return turn.to(rejected=(*turn.status.rejected, entry)[-REMEMBERED:])


def superseded(s: Situation, turn: Turn, by: str) -> Turn:
    """End the candidate because something newer is asked for; it is not held against it."""
    candidate = turn.status.candidate
    assert candidate is not None, "only a candidate can be superseded"
    turn = turn.tell(Reason.SUPERSEDED, f"{candidate.run} gives way to {by}.")
    delay = candidate.rollout.scale_down_delay if candidate.rollout else timedelta()
    had_traffic = candidate.stage in UNDER_WAY or candidate.stage is Stage.ROLLING_BACK
    return drop_candidate(s, turn, delay if had_traffic else timedelta())


def drop_candidate(s: Situation, turn: Turn, delay: timedelta) -> Turn:
    """Forget the candidate; what it deployed goes after ``delay``."""
    candidate = turn.status.candidate
    turn = turn.to(candidate=None)
    if candidate is None or candidate.build is None:
        return turn
    return turn.to(retiring=retire(turn.status, candidate.build, s.now + delay))


def not_retiring(status: ModelStatus, build: Revision) -> tuple[Retiring, ...]:
    """Return what is retiring, without ``build``: it is tried again."""
    return tuple(entry for entry in status.retiring if entry.build.revision != build.revision)


def retire(status: ModelStatus, build: Revision, until: datetime) -> tuple[Retiring, ...]:
    """Return what is retiring, with ``build`` among it."""
    return (*not_retiring(status, build), Retiring(build, until))


def _rolling_back(candidate: Candidate, now: datetime, reason: Reason, message: str) -> Candidate:
    return replace(
        candidate,
        stage=Stage.ROLLING_BACK,
        stage_since=now,
        step_since=None,
        weight=0,
        reason=reason.value,
        message=message,
    )
