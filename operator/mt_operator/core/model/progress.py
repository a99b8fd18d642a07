"""What the candidate is doing, and what comes next: the message of Reconciling.

Nothing that moves by itself (a run's progress, a clock) stands in it: it is written at transitions.
"""

from __future__ import annotations

from mt_contract.codec import format_duration
from mt_operator.core.model.outcome import waiting
from mt_operator.core.model.state import Candidate, Stage, Trial, trial_of
from mt_operator.core.model.turn import Situation

REQUIRED = "Required"


def progress(s: Situation, candidate: Candidate) -> str:
    """Return in words where the candidate is and what comes next."""
    trial = trial_of(candidate)
    if trial is None:
        run = s.runs.get(candidate.run)
        why = waiting(run) if run else ""
        doing = f"{candidate.run} is {candidate.stage.value.lower()}"
        return f"{doing}: {why}" if why else f"{doing}; its own status tells how far."
    name, rollout = trial.build.revision, trial.rollout
    if candidate.stage is Stage.DEPLOYING:
        limit = format_duration(rollout.serving_check.max_load)
        told = f"{name} is starting, without traffic. Next: its serving check, within {limit}."
        return f"{told} {s.waiting(trial.build)}".strip()
    if candidate.stage is Stage.SERVING_CHECK:
        told = f"{name} translates {rollout.serving_check.requests} held-out sentences at weight 0."
        asks = rollout.approval == REQUIRED and not candidate.back
        return f"{told} Next: {'its approval' if asks else _step(trial, 0)}."
    if candidate.stage is Stage.AWAITING_APPROVAL:
        told = (
            f"{name} passed its serving check and waits for approval; Paused tells how to give it"
        )
        return f"{told}. Next: {_step(trial, 0)}."
    if candidate.stage is Stage.ROLLING_BACK:
        return f"The traffic of {name} goes back to production. {candidate.message}"
    return _under_way(s, trial)


def _under_way(s: Situation, trial: Trial) -> str:
    candidate, steps = trial.candidate, trial.rollout.steps
    name, step = trial.build.revision, steps[candidate.step]
    where = f"step {candidate.step + 1} of {len(steps)}"
    following = _step(trial, candidate.step + 1)
    if step.pause is not None:
        long = step.pause.duration
        span = f"for {format_duration(long)}" if long is not None else "until it is promoted"
        told = f"{name} answers {candidate.weight} % of the requests {span} ({where})."
        return f"{told} Next: {following}."
    told = f"{name} is given {step.set_weight} % of the requests ({where}). Next: {following}."
    if candidate.weight != step.set_weight:
        told = (
            f"{name} answers {candidate.weight} % ({where}). Next: {_step(trial, candidate.step)}."
        )
    if not s.ready(trial.build):
        return f"{told} It is not ready. {s.waiting(trial.build)}".strip()
    return told


def _step(trial: Trial, number: int) -> str:
    """Return what a step gives, as it follows "Next:"."""
    if number >= len(trial.rollout.steps):
        return "it is production"
    step = trial.rollout.steps[number]
    if step.set_weight is not None:
        return f"{step.set_weight} %"
    long = step.pause.duration if step.pause else None
    return f"a pause of {format_duration(long)}" if long else "a pause until it is promoted"
