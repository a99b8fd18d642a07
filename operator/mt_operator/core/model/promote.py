"""Passing an approval or a pause by hand, or all steps at once. Never the serving check."""

from __future__ import annotations

from mt_operator.core.model.advice import FULL, PROMOTE, how_to, no_such_candidate
from mt_operator.core.model.analysis import lacks_data
from mt_operator.core.model.state import Stage, Trial, trial_of
from mt_operator.core.model.steps import enter_step
from mt_operator.core.model.turn import Situation, Turn

WAITING = frozenset({Stage.AWAITING_APPROVAL, Stage.CANARY, Stage.PROMOTING})


def promote(s: Situation, turn: Turn, token: str) -> Turn | str:
    """Let the candidate pass what it waits for: ``<revision>``, or all steps: ``full/<revision>``.

    A pause by hand ends as well. What the analysis finds bad is still rolled back.
    """
    full = token.startswith(f"{FULL}/")
    target = token.removeprefix(f"{FULL}/").partition("/")[0]
    trial, candidate = trial_of(turn.status.candidate), turn.status.candidate
    if candidate is None or not candidate.goes_by(target):
        return no_such_candidate(s.meta, turn.status, target)
    if s.obstacle is not None:
        return f"not now: {s.obstacle.message} Then annotate again, with another suffix."
    if candidate.stage is Stage.ROLLING_BACK:
        return no_such_candidate(s.meta, turn.status, target)
    if trial is None or candidate.stage not in WAITING:
        return (
            f"not yet: {candidate.name} is in stage {candidate.stage}, and nothing gets weight "
            f"before its serving check. Then: {how_to(s.meta, PROMOTE, candidate.name)}."
        )
    going = trial.but(paused=False, held_since=None)
    last = len(trial.rollout.steps) - 1
    if not full:
        return _next(s, turn, trial, going)
    if candidate.step == last and candidate.stage is Stage.PROMOTING:
        return turn.to(candidate=going.but(waived=True).candidate)
    return enter_step(s, turn, going.but(waived=True), last)


def _next(s: Situation, turn: Turn, trial: Trial, going: Trial) -> Turn | str:
    candidate = trial.candidate
    if candidate.stage is Stage.AWAITING_APPROVAL:
        return enter_step(s, turn, going, 0)
    if trial.rollout.steps[candidate.step].pause is not None:
        return enter_step(s, turn, going, candidate.step + 1)
    if lacks_data(candidate):
        if candidate.stage is Stage.PROMOTING:
            return turn.to(candidate=going.but(waived=True).candidate)
        return enter_step(s, turn, going, candidate.step + 1)
    if candidate.paused:
        return turn.to(candidate=trial.but(paused=False).candidate)
    return (
        f"not yet: {candidate.name} waits for no person, it is on the way to its next weight. "
        f"To skip all steps: {how_to(s.meta, PROMOTE, f'{FULL}/{candidate.name}')}."
    )
