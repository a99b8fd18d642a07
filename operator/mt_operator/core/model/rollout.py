"""What stage is the candidate in, and may it go on?

      Training ──▶ Evaluating ──▶ Deploying ──▶ ServingCheck ──▶ Canary ──▶ Promoting ──▶ production
         └──────────────┴──────────────┴──────────────┘             │            │
                                 │                                  └─────┬──────┘
                                 ▼                                        ▼
                              rejected ◀───────────────────────────  RollingBack

A first deployment, and a return to a recent production revision, go from ServingCheck to Promoting.
Whatever is no longer asked for ends where it is: superseded, without being rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mt_contract.codec import format_duration
from mt_contract.report import ProbeResult
from mt_operator.core.model import routing
from mt_operator.core.model.rollback import drop_candidate, reject
from mt_operator.core.model.serving_check import check, first_probe
from mt_operator.core.model.state import Candidate, Probe, Stage, Trial, trial_of
from mt_operator.core.model.steps import advance_step, enter_step, late, without_weight
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.reasons import Reason

# Where a stage may lead; None: the candidate's place is free again. The tests walk this table.
TRANSITIONS: Mapping[Stage, frozenset[Stage | None]] = {
    Stage.TRAINING: frozenset({Stage.EVALUATING, Stage.DEPLOYING, None}),
    Stage.EVALUATING: frozenset({Stage.TRAINING, Stage.DEPLOYING, None}),
    Stage.DEPLOYING: frozenset({Stage.SERVING_CHECK, None}),
    Stage.SERVING_CHECK: frozenset({Stage.CANARY, Stage.PROMOTING, None}),
    Stage.CANARY: frozenset({Stage.PROMOTING, Stage.ROLLING_BACK, None}),
    Stage.PROMOTING: frozenset({Stage.ROLLING_BACK, None}),
    Stage.ROLLING_BACK: frozenset({None}),
}
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
    if s.obstacle is not None:
        return turn.to(candidate=_held(s, trial))
    if trial.candidate.held_since is not None:
        return turn.to(candidate=_released(s, trial.candidate, trial.candidate.held_since))
    return _STAGES[trial.candidate.stage](s, turn, trial)


def boundaries(candidate: Candidate) -> tuple[datetime, ...]:
    """Return the moments at which time alone may change what becomes of the candidate."""
    rollout, since = candidate.rollout, candidate.step_since
    if rollout is None or candidate.held_since is not None:
        return ()
    if candidate.stage is Stage.DEPLOYING:
        return (candidate.stage_since + rollout.serving_check.max_load,)
    if candidate.stage is Stage.SERVING_CHECK:
        return (candidate.stage_since + rollout.progress_deadline,)
    if since is None:
        return ()
    pause = rollout.steps[candidate.step].pause
    return (since + (pause.duration or timedelta() if pause else rollout.progress_deadline),)


def _deploying(s: Situation, turn: Turn, trial: Trial) -> Turn:
    build, limit = trial.build, trial.rollout.serving_check.max_load
    if s.ready(build):
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
        return enter_step(s, turn, trial, 0)
    if s.now < candidate.stage_since + rollout.progress_deadline:
        return turn
    return late(s, turn, trial, "its serving check did not end")


def _rolling_back(s: Situation, turn: Turn, trial: Trial) -> Turn:
    if not routing.in_force(s, turn.status):
        return turn
    told = f"{trial.build.revision} answers no requests any more. {trial.candidate.message}"
    turn = drop_candidate(s, turn, trial.rollout.scale_down_delay)
    return turn.tell(Reason.ROLLING_BACK, told, warning=True)


def _held(s: Situation, trial: Trial) -> Candidate:
    """Return the candidate with its clocks stopped; without weight, if it is not ready."""
    held = trial.but(held_since=trial.candidate.held_since or s.now)
    unready = held.candidate.weight > 0 and not s.ready(trial.build)
    return without_weight(s, held).candidate if unready else held.candidate


def _released(s: Situation, c: Candidate, held_since: datetime) -> Candidate:
    """Return the candidate with its clocks running again from where they stopped."""
    gap = s.now - held_since
    step_since = c.step_since + gap if c.step_since else None
    return replace(c, held_since=None, stage_since=c.stage_since + gap, step_since=step_since)


_STAGES: Mapping[Stage, Callable[[Situation, Turn, Trial], Turn]] = {
    Stage.DEPLOYING: _deploying,
    Stage.SERVING_CHECK: _checking,
    Stage.CANARY: advance_step,
    Stage.PROMOTING: advance_step,
}
