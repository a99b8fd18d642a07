"""What stage is the candidate in, and may it go on?

      Training ──▶ Evaluating ──▶ Deploying ──▶ ServingCheck ──▶ AwaitingApproval
         │              │              │              │  │               │    │
         │              │              │              │  └───────┬───────┘    │
         │              │              │              │          ▼            │
         │              │              │              │       Canary ──▶ Promoting ──▶ production
         └──────────────┴──────┬───────┴──────────────┘          │            │
                               ▼                                 └─────┬──────┘
                            rejected ◀─────────────────────────── RollingBack

Approval is awaited only where it is required. A first deployment, and a return to a recent
production revision, have no Canary. Whatever is no longer asked for ends where it is: superseded,
without being rejected. A way back that somebody asked for, and whose pods are still up, begins with
Promoting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from mt_contract.codec import format_duration
from mt_contract.report import ProbeResult
from mt_operator.core.analysis.judge import Judgement
from mt_operator.core.model import routing
from mt_operator.core.model.analysis import look, next_look
from mt_operator.core.model.hold import halted, held, released
from mt_operator.core.model.rollback import UNDER_WAY, drop_candidate, reject
from mt_operator.core.model.serving_check import check, first_probe
from mt_operator.core.model.state import Candidate, Probe, Stage, Trial, trial_of
from mt_operator.core.model.steps import (
    SOON,
    advance_step,
    enter_step,
    interrupt,
    late,
)
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.reasons import Reason

# Where a stage may lead; None: the candidate's place is free again. The tests walk this table.
TRANSITIONS: Mapping[Stage, frozenset[Stage | None]] = {
    Stage.TRAINING: frozenset({Stage.EVALUATING, Stage.DEPLOYING, None}),
    Stage.EVALUATING: frozenset({Stage.TRAINING, Stage.DEPLOYING, None}),
    Stage.DEPLOYING: frozenset({Stage.SERVING_CHECK, None}),
    Stage.SERVING_CHECK: frozenset({Stage.AWAITING_APPROVAL, Stage.CANARY, Stage.PROMOTING, None}),
    Stage.AWAITING_APPROVAL: frozenset({Stage.CANARY, Stage.PROMOTING, None}),
    Stage.CANARY: frozenset({Stage.PROMOTING, Stage.ROLLING_BACK, None}),
    Stage.PROMOTING: frozenset({Stage.ROLLING_BACK, None}),
    Stage.ROLLING_BACK: frozenset({None}),
}
REQUIRED = "Required"
# A predictor that ends with one of these ends with it again.
FATAL = frozenset({Reason.ARTIFACT_INVALID, Reason.CONFIGURATION_INVALID})


def advance(s: Situation, turn: Turn) -> Turn:
    """Take the candidate's revision as far as what is observed allows."""
    trial = trial_of(turn.status.candidate)
    stored = s.observed.status.get("candidate") or {}
    if trial is None or trial.candidate.stage.value != stored.get("stage"):
        return turn  # what has just begun is stored before it goes on
    if trial.candidate.stage is Stage.ROLLING_BACK:
        return _rolling_back(s, turn, trial)
    judgement = None
    if trial.candidate.stage in UNDER_WAY:
        seen = look(s, turn.status, trial)
        trial, judgement = seen.trial, seen.judgement
        turn = replace(turn.to(candidate=trial.candidate), judgement=judgement)
        if seen.failed:
            return reject(s, turn, Reason.ANALYSIS_FAILED, seen.failed)
    if trial.candidate.weight > 0 and not s.ready(trial.build):
        turn = interrupt(s, turn, trial)
    elif not halted(s, trial.candidate):
        return _go_on(s, turn, trial, judgement)
    candidate = turn.status.candidate
    if candidate is None or candidate.stage is Stage.ROLLING_BACK:
        return turn
    return turn.to(candidate=held(s, candidate)) if halted(s, candidate) else turn


def _go_on(s: Situation, turn: Turn, trial: Trial, judgement: Judgement | None) -> Turn:
    trial = replace(trial, candidate=released(s, trial.candidate))
    turn = turn.to(candidate=trial.candidate)
    if trial.candidate.stage in UNDER_WAY:
        return advance_step(s, turn, trial, judgement)
    return _STAGES[trial.candidate.stage](s, turn, trial)


def boundaries(candidate: Candidate, in_force: bool, now: datetime) -> tuple[datetime, ...]:
    """Return the moments at which time alone may change what becomes of the candidate.

    Args:
        candidate: as the next status has it.
        in_force: whether the gateway does what that status implies.
        now: of this decision.
    """
    trial = trial_of(candidate)
    if trial is None:
        return ()
    judged = next_look(candidate, now) if candidate.stage in UNDER_WAY else None
    looks = (judged,) if judged else ()
    if candidate.held_since is not None:
        return looks
    if candidate.stage is Stage.DEPLOYING:
        return (candidate.stage_since + trial.rollout.serving_check.max_load,)
    if candidate.stage is Stage.SERVING_CHECK:
        return (candidate.stage_since + trial.rollout.progress_deadline,)
    return (*looks, *_step_ends(trial, in_force))


def _step_ends(trial: Trial, in_force: bool) -> tuple[datetime, ...]:
    candidate, rollout = trial.candidate, trial.rollout
    since = candidate.step_since
    if candidate.stage not in UNDER_WAY or since is None:
        return ()
    if candidate.weight != trial.asked_weight or not in_force:
        return (since + SOON, since + rollout.progress_deadline)
    pause = rollout.steps[candidate.step].pause
    return (since + pause.duration,) if pause and pause.duration else ()


def _deploying(s: Situation, turn: Turn, trial: Trial) -> Turn:
    build, limit = trial.build, trial.rollout.serving_check.max_load
    if s.complete(build):
        told = f"{build.revision} is ready; held-out sentences are sent to it."
        probe = first_probe(s, build)
        checked = trial.but(stage=Stage.SERVING_CHECK, stage_since=s.now, probe=probe).candidate
        return turn.to(candidate=checked).tell(Reason.SERVING_CHECK, told)
    waiting = s.waiting(build)
    if waiting.partition(":")[0] in FATAL:
        return reject(s, turn, Reason.SERVING_CHECK_FAILED, f"{build.revision}: {waiting}")
    if s.now < trial.candidate.stage_since + limit:
        return turn
    told = f"{build.revision} was not ready within maxLoad ({format_duration(limit)}). {waiting}"
    return reject(s, turn, Reason.SERVING_CHECK_FAILED, told.strip())


def _checking(s: Situation, turn: Turn, trial: Trial) -> Turn:
    candidate, build, rollout = trial.candidate, trial.build, trial.rollout
    verdict = check(s, build, candidate.probe or first_probe(s, build), rollout.serving_check)
    if isinstance(verdict, str):
        return reject(s, turn, Reason.SERVING_CHECK_FAILED, verdict)
    if isinstance(verdict, Probe):
        return turn.to(candidate=trial.but(probe=verdict).candidate)
    if isinstance(verdict, ProbeResult) and s.ready(build):
        if rollout.approval != REQUIRED or candidate.back:
            return enter_step(s, turn, trial, 0)
        told = f"{build.revision} passed its serving check and waits for approval."
        asks = trial.but(stage=Stage.AWAITING_APPROVAL, stage_since=s.now).candidate
        return turn.to(candidate=asks).tell(Reason.AWAITING_APPROVAL, told)
    if s.now < candidate.stage_since + rollout.progress_deadline:
        return turn
    return late(s, turn, trial, "its serving check did not end")


def _rolling_back(s: Situation, turn: Turn, trial: Trial) -> Turn:
    if not routing.in_force(s, turn.status):
        return turn
    told = f"{trial.build.revision} answers no requests any more. {trial.candidate.message}"
    turn = drop_candidate(s, turn, trial.rollout.scale_down_delay)
    return turn.tell(Reason.ROLLED_BACK, told, warning=True)


def _awaiting(s: Situation, turn: Turn, trial: Trial) -> Turn:
    return turn  # somebody promotes or aborts it


_STAGES: Mapping[Stage, Callable[[Situation, Turn, Trial], Turn]] = {
    Stage.DEPLOYING: _deploying,
    Stage.SERVING_CHECK: _checking,
    Stage.AWAITING_APPROVAL: _awaiting,
}
