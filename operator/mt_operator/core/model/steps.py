"""The steps of a rollout: capacity before weight, weight in force before the next step.

A weight is given only to a candidate that is ready, with its share of production's pods. When it
stops being ready it loses all of it at once, and gets it again, with its pause anew, when it is
ready within progressDeadline. Pauses do not count towards that deadline.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil

from mt_contract.codec import format_duration
from mt_operator.core.analysis.judge import Judgement
from mt_operator.core.model import routing
from mt_operator.core.model.analysis import begin, end_of_step
from mt_operator.core.model.rollback import reject, remember, retire
from mt_operator.core.model.state import Previous, Revision, Stage, Trial
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.reasons import Reason

MAX_INTERRUPTIONS = 5  # a candidate that loses its readiness again and again is no good
SOON = timedelta(seconds=10)  # a gateway that takes longer puts off the pause that follows
PREVIOUS = 10  # production revisions that are remembered


def enter_step(s: Situation, turn: Turn, trial: Trial, step: int) -> Turn:
    """Begin a step: a weight is asked for, and given if it may be; a pause counts from now."""
    target, candidate = trial.rollout.steps[step].set_weight, trial.candidate
    last = step == len(trial.rollout.steps) - 1
    stage = Stage.PROMOTING if last else Stage.CANARY
    since = s.now if stage is not candidate.stage else candidate.stage_since
    entered = trial.but(step=step, step_since=s.now, stage=stage, stage_since=since, unforced=False)
    if target is None:
        return turn.to(candidate=entered.candidate)
    told = f"{trial.build.revision} is to answer {target} % of the requests"
    turn = turn.to(candidate=_given(s, turn, entered, target).candidate)
    reason = Reason.PROMOTING if last else Reason.CANARY
    return turn.tell(reason, f"{told}, after {candidate.weight} %.")


def advance_step(s: Situation, turn: Turn, trial: Trial, judgement: Judgement | None) -> Turn:
    """Go on from the current step, if it is over, and if the evidence allows it."""
    candidate, rollout = trial.candidate, trial.rollout
    target, since = trial.asked_weight, candidate.step_since or s.now
    if candidate.weight != target:
        if s.now >= since + rollout.progress_deadline:
            return late(s, turn, trial, _missing(s, trial, target))
        return turn.to(candidate=_given(s, turn, trial, target).candidate)
    if not routing.in_force(s, turn.status):
        return _awaited(s, turn, trial, since)
    if candidate.unforced:
        return turn.to(candidate=trial.but(unforced=False, step_since=s.now).candidate)
    pause = rollout.steps[candidate.step].pause
    if pause is not None and (pause.duration is None or s.now < since + pause.duration):
        return turn
    over = since + pause.duration if pause and pause.duration else since
    ending = end_of_step(s, turn.status, trial, judgement, over)
    turn = turn.to(candidate=ending.trial.candidate)
    if ending.reason is not None:
        return reject(s, turn, ending.reason, ending.message)
    if not ending.over:
        return turn
    if candidate.stage is Stage.PROMOTING:
        return _promote(s, turn, ending.trial)
    return enter_step(s, turn, ending.trial, candidate.step + 1)


def _awaited(s: Situation, turn: Turn, trial: Trial, since: datetime) -> Turn:
    """Wait for the gateway. A pause counts from when its weight is in force."""
    if s.now >= since + trial.rollout.progress_deadline:
        return late(s, turn, trial, _missing(s, trial, trial.candidate.weight))
    slow = s.now >= since + SOON and not trial.candidate.unforced
    return turn.to(candidate=trial.but(unforced=True).candidate) if slow else turn


def late(s: Situation, turn: Turn, trial: Trial, missing: str) -> Turn:
    """Reject a candidate that has made no progress for too long."""
    limit = format_duration(trial.rollout.progress_deadline)
    told = f"{trial.build.revision} made no progress within progressDeadline ({limit}): {missing}."
    return reject(s, turn, Reason.PROGRESS_DEADLINE_EXCEEDED, told)


def without_weight(s: Situation, trial: Trial) -> Trial:
    """Return the candidate at 0, waiting for the weight that it had."""
    step, since = trial.candidate.step, trial.candidate.step_since
    while trial.rollout.steps[step].set_weight is None:
        step, since = step - 1, s.now
    return trial.but(weight=0, step=step, step_since=since)


def _given(s: Situation, turn: Turn, trial: Trial, target: int) -> Trial:
    """Return the trial with its weight, once it has the pods for it."""
    needed = _capacity(s, turn, trial, target)
    asked = trial.but(replicas=max(trial.candidate.replicas, needed))
    if not s.ready(trial.build) or s.replicas(trial.build) < needed:
        return asked
    steps, step = trial.rollout.steps, trial.candidate.step
    asked = begin(s, turn.status, asked, last=step == len(steps) - 1)
    paused = step + 1 < len(steps) and steps[step + 1].pause is not None
    # One write for a weight and the pause that it is given for.
    return asked.but(weight=target, step=step + 1 if paused else step, step_since=s.now)


def _capacity(s: Situation, turn: Turn, trial: Trial, target: int) -> int:
    """Return how many of production's ready pods ``target`` percent of its traffic take."""
    production, bounds = turn.status.production, trial.build.serving["replicas"]
    serving = s.replicas(production) if production else 0
    share: int = max(bounds["min"], min(bounds["max"], ceil(serving * target / 100)))
    return share


def interrupt(s: Situation, turn: Turn, trial: Trial) -> Turn:
    """Give the traffic back for as long as the candidate is not ready."""
    name, times = trial.build.revision, trial.candidate.interruptions + 1
    if times >= MAX_INTERRUPTIONS:
        told = f"{name} lost its readiness {times} times while it had traffic."
        return reject(s, turn, Reason.PROGRESS_DEADLINE_EXCEEDED, told)
    told = f"{name} is not ready and answers 0 %. {s.waiting(trial.build)}".strip()
    zero = replace(without_weight(s, trial).candidate, interruptions=times)
    return turn.to(candidate=zero).tell(Reason.NOT_READY, told, warning=True)


def _promote(s: Situation, turn: Turn, trial: Trial) -> Turn:
    build, old = trial.build, turn.status.production
    turn = turn.to(production=replace(build, since=s.now), candidate=None)
    if old is not None:
        past = Previous(old, s.now, rolled_back=trial.candidate.back)
        others = tuple(p for p in turn.status.previous if p.revision != old.revision)
        until = s.now + trial.rollout.scale_down_delay
        turn = turn.to(
            previous=(past, *others)[:PREVIOUS],
            retiring=retire(turn.status, old, until),
        )
    if old is not None and trial.candidate.back:
        turn = _taken_back(s, turn, old, build)
    told = f"{build.revision} of {build.run} is in production: it answers all requests."
    return turn.tell(Reason.UP_TO_DATE, told)


def _taken_back(s: Situation, turn: Turn, old: Revision, build: Revision) -> Turn:
    """Note that ``old`` was in production and somebody took it back: Git may still name it."""
    told = f"{old.revision} was in production; as asked for, {build.revision} took its place back"
    turn = remember(s, turn, old.run, old, Reason.ROLLED_BACK, told)
    return turn.tell(Reason.ROLLED_BACK, f"{told}.", warning=True)


def _missing(s: Situation, trial: Trial, target: int) -> str:
    candidate, build = trial.candidate, trial.build
    if not s.ready(build):
        return f"it is not ready. {s.waiting(build)}".strip(" .")
    if candidate.weight != target:
        ready = s.replicas(build)
        return f"{ready} of the {candidate.replicas} pods that {target} % need are ready"
    return f"the gateway has not put {target} % into force. {routing.complaint(s)}".strip(" .")
