"""What holds a rollout where it is: an obstacle, or somebody who asked for a pause.

While it is held its clocks stand still. It keeps its weight, unless it stops being ready; and it
is still judged, so that it may still be rolled back.
"""

from __future__ import annotations

from dataclasses import replace

from mt_operator.core.model.advice import RESUME, how_to, no_such_candidate
from mt_operator.core.model.state import Candidate, Stage
from mt_operator.core.model.turn import Kind, Situation, Turn


def halted(s: Situation, candidate: Candidate) -> bool:
    """Return whether the candidate may not go on now. Suspension does not stop a way back."""
    if s.obstacle is None:
        return candidate.paused
    return not (candidate.back and s.obstacle.kind is Kind.SUSPENSION) or candidate.paused


def held(s: Situation, candidate: Candidate) -> Candidate:
    """Return the candidate with its clocks stopped."""
    return replace(candidate, held_since=candidate.held_since or s.now)


def released(s: Situation, candidate: Candidate) -> Candidate:
    """Return the candidate with its clocks running again from where they stopped."""
    if candidate.held_since is None:
        return candidate
    gap = s.now - candidate.held_since
    return replace(
        candidate,
        held_since=None,
        stage_since=candidate.stage_since + gap,
        step_since=candidate.step_since + gap if candidate.step_since else None,
    )


def pause(s: Situation, turn: Turn, token: str) -> Turn | str:
    """Hold the candidate where it is, at the weight that it has."""
    candidate, target = turn.status.candidate, token.partition("/")[0]
    if candidate is None or not candidate.goes_by(target):
        return no_such_candidate(s.meta, turn.status, target)
    if candidate.stage is Stage.ROLLING_BACK:
        return f"{target} is rejected, and its traffic goes back: nothing is to be held. Wait."
    if candidate.paused:
        return f"{target} is paused already. To go on: {how_to(s.meta, RESUME, candidate.name)}."
    return turn.to(candidate=replace(candidate, paused=True))


def resume(s: Situation, turn: Turn, token: str) -> Turn | str:
    """Let a candidate that somebody paused go on; a pause of its own steps stays."""
    candidate, target = turn.status.candidate, token.partition("/")[0]
    if candidate is None or not candidate.goes_by(target):
        return no_such_candidate(s.meta, turn.status, target)
    if not candidate.paused:
        return f"nobody paused {target}. Look at the condition Paused for what it waits for."
    return turn.to(candidate=replace(candidate, paused=False))
