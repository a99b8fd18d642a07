"""Which run should be tried, and what has it come to?

What the current generation asks for takes the place at once, even while it trains: who changes the
spec wants the earlier candidate stopped. A run that somebody made by hand (``candidate: true``)
takes the place when it is blessed. Between the two, the later request wins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from mt_contract.resource import Rollout, Step
from mt_operator.core.model.outcome import Outcome, Progress, artifact, outcome, revision
from mt_operator.core.model.rollback import not_retiring, reject, superseded
from mt_operator.core.model.state import Candidate, ModelStatus, Revision, Stage
from mt_operator.core.model.trigger import outstanding
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.observed import RunView
from mt_operator.core.plan import ImpossibleError
from mt_operator.core.reasons import Reason, reason_or

BEFORE_REVISION = frozenset({Stage.TRAINING, Stage.EVALUATING})


@dataclass(frozen=True)
class Contender:
    """A run that could be tried, and when it was asked for."""

    run: str
    requested: datetime


def choose(s: Situation, turn: Turn) -> Turn:
    """Give the candidate's place to the run that should have it."""
    best, current = _wanted(s, turn.status), turn.status.candidate
    if current is not None and current.back:
        return turn  # first the way back that somebody asked for, then whatever is newer
    if current is not None and (best is None or best.run != current.run):
        if current.stage is Stage.ROLLING_BACK and best is None:
            return turn  # rejected already; its traffic is on the way back
        if s.obstacle is not None:
            return turn
        turn = superseded(s, turn, best.run if best else "what is in production")
        current = None
    if best is None or current is not None or s.obstacle is not None:
        return turn
    begun = Candidate(best.run, best.requested, Stage.TRAINING, s.now)
    return turn.to(candidate=begun)


def follow(s: Situation, turn: Turn) -> Turn:
    """Take over what has become of the candidate's run."""
    candidate = turn.status.candidate
    if candidate is None or candidate.stage not in BEFORE_REVISION:
        return turn
    run = s.runs.get(candidate.run)
    if run is not None and candidate.override:
        return turn if s.obstacle else _blessed(s, turn, candidate, run)
    result = outcome(run) if run else _of_source(s, turn.status)
    if result.progress is Progress.REJECTED:
        return reject(s, turn, result.reason, result.message)
    if result.progress is Progress.BLESSED:
        return turn if s.obstacle or run is None else _blessed(s, turn, candidate, run)
    stage = Stage.EVALUATING if result.progress is Progress.EVALUATING else Stage.TRAINING
    if result.progress is Progress.STALLED or stage is candidate.stage:
        return turn
    return turn.to(candidate=replace(candidate, stage=stage, stage_since=s.now))


def _wanted(s: Situation, status: ModelStatus) -> Contender | None:
    """Return the contender that was asked for last."""
    asked, current = outstanding(status), status.candidate
    contenders = [Contender(asked.run, asked.since)] if asked else []
    newer = current and (status.asked is None or current.requested > status.asked.since)
    if current is not None and newer and status.rejection(current.run) is None:
        # Made by hand, and under way: what was asked for before it does not stop it.
        contenders.append(Contender(current.run, current.requested))
    contenders += [
        Contender(run.meta.name, run.meta.created)
        for run in s.runs.values()
        if run.meta.created is not None and _by_hand(s, status, run)
    ]
    return max(contenders, key=lambda c: (c.requested, c.run), default=None)


def _by_hand(s: Situation, status: ModelStatus, run: RunView) -> bool:
    """Return whether somebody made ``run`` to be rolled out, and it may be."""
    if not made_to_be_tried(s, status, run) or status.rejection(run.meta.name):
        return False
    return outcome(run).progress is Progress.BLESSED


def made_to_be_tried(s: Situation, status: ModelStatus, run: RunView) -> bool:
    """Return whether somebody made ``run`` to be rolled out, and asked for nothing since."""
    made, production, asked = run.meta.created, status.production, status.asked
    if s.owns(run) or not run.spec.get("candidate") or made is None:
        return False
    if production and (production.run == run.meta.name or production.requested >= made):
        return False
    return asked is None or asked.since < made


def _of_source(s: Situation, status: ModelStatus) -> Outcome:
    """Return how far the run is whose artifact will be reused, once it has one."""
    asked = status.asked
    source = s.runs.get(asked.source) if asked and asked.source else None
    if source is None:
        return Outcome(Progress.TRAINING)
    if artifact(source):
        return Outcome(Progress.EVALUATING)
    result = outcome(source)
    return result if result.progress is Progress.REJECTED else Outcome(Progress.TRAINING)


def _blessed(s: Situation, turn: Turn, candidate: Candidate, run: RunView) -> Turn:
    build = revision(run, candidate.requested, s.options)
    if build is None:
        raise ImpossibleError(f"{run.meta.name} is blessed, but its status has no artifact")
    build = replace(build, override=candidate.override)
    earlier = turn.status.rejection(build.run, build.revision)
    if earlier is not None:
        told = f"Its revision {build.revision} was rejected before: {earlier.message}"
        return reject(s, turn, reason_or(earlier.reason, Reason.SERVING_CHECK_FAILED), told)
    production = turn.status.production
    if production is not None and production.revision == build.revision:
        return _judged_again(turn, production, build)
    rollout, why = steps_for(turn.status, s.rollout, build)
    judged = "was blessed by hand" if build.override else "passed all gates"
    message = f"{build.revision} of {build.run} {judged} and is deployed, without traffic."
    turn = turn.to(
        retiring=not_retiring(turn.status, build),
        candidate=replace(
            candidate,
            stage=Stage.DEPLOYING,
            stage_since=s.now,
            build=build,
            rollout=rollout,
            message=why,
        ),
    )
    return turn.tell(Reason.DEPLOYING, f"{message} {why}".strip())


def _judged_again(turn: Turn, production: Revision, build: Revision) -> Turn:
    """What serves was judged anew and passed: nothing to roll out."""
    same = replace(
        production,
        run=build.run,
        requested=build.requested,
        folder=build.folder,
        scores=build.scores,
        override=build.override,
    )
    told = f"{build.run} judged {build.revision} again, and it passed: it serves on."
    return turn.to(production=same, candidate=None).tell(Reason.UP_TO_DATE, told)


def steps_for(status: ModelStatus, rollout: Rollout, build: Revision) -> tuple[Rollout, str]:
    """Return the rollout's steps, or one step to 100 where there is nothing to compare with."""
    at_once = replace(rollout, steps=(Step(set_weight=100),))
    if status.production is None:
        return at_once, "It is the first deployment: nothing to split traffic with, no steps."
    recent = status.previous[: rollout.rollback_window]
    if any(entry.revision == build.revision and not entry.rolled_back for entry in recent):
        known = replace(at_once, analysis=None)
        return known, "It has been in production before (rollbackWindow): no steps."
    return rollout, ""
