"""Overriding what gates said of a run: kept on record with what it becomes."""

from __future__ import annotations

from dataclasses import replace

from mt_operator.core.conditions import shorten
from mt_operator.core.model.advice import RETRY, how_to
from mt_operator.core.model.candidate import made_to_be_tried
from mt_operator.core.model.outcome import Outcome, Progress, outcome, revision
from mt_operator.core.model.rollback import superseded
from mt_operator.core.model.state import Candidate, Stage
from mt_operator.core.model.trigger import next_request
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.observed import RunView
from mt_operator.core.reasons import Reason

JUDGED = frozenset({Reason.GATE_FAILED, Reason.GATE_INCONCLUSIVE})


def bless(s: Situation, turn: Turn, token: str) -> Turn | str | None:
    """Let a run that its gates held back be rolled out all the same."""
    target, status = token.partition("/")[0], turn.status
    run, current = s.runs.get(target), status.candidate
    if run is None:
        return f"this model has no run {target}; nothing happens. List them: kubectl get trun"
    result = outcome(run)
    refused = _refused(s, turn, run, result)
    if refused:
        return refused
    if current is not None and current.stage is Stage.ROLLING_BACK:
        return None  # traffic is on the way back: a moment later
    if current is not None:
        turn = superseded(s, turn, target)
    override = shorten(f"{result.reason.value}: {result.message}")
    since = next_request(s, status)
    begun = Candidate(target, since, Stage.EVALUATING, s.now, override=override)
    turn = turn.to(candidate=begun, rejected=tuple(e for e in status.rejected if e.run != target))
    if status.asked and status.asked.run == target:
        turn = turn.to(asked=replace(status.asked, since=since))
    told = f"{target} counts as blessed, as asked for, although its gates said: {override}"
    return turn.tell(Reason.BLESSED, told, warning=True)


def _refused(s: Situation, turn: Turn, run: RunView, result: Outcome) -> str:
    name, asked = run.meta.name, turn.status.asked
    if s.obstacle is not None:
        return f"not now: {s.obstacle.message} Then annotate again, with another suffix."
    production = turn.status.production
    if production is not None and production.run == name:
        return f"{name} is in production: nothing is to override. Nothing is to do."
    if result.progress is Progress.BLESSED:
        told = f"the gates of {name} passed: nothing is to override."
        return f"{told} If it was rejected later: {how_to(s.meta, RETRY, name)}."
    if result.progress is not Progress.REJECTED:
        return f"not yet: the gates of {name} have not been judged. Wait until it has ended."
    if result.reason not in JUDGED or revision(run, s.now, s.options) is None:
        return (
            f"{name} has no evaluated artifact ({result.message}): only what gates said can be "
            "overridden. Correct what it says, and retry it."
        )
    if (asked is None or asked.run != name) and not made_to_be_tried(s, turn.status, run):
        return (
            f"{name} is not what the spec asks for now, nor a newer run with candidate: true. "
            "Change the spec back to its recipe, then bless it."
        )
    return ""
