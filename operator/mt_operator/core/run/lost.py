"""Results come once: where a Job's message is lost, a collect Job reads the run's folder for it."""

from __future__ import annotations

from typing import TypeVar

from mt_contract.names import Stage
from mt_contract.report import Message
from mt_operator.core.children.collect_job import collect_task
from mt_operator.core.children.pod import Task
from mt_operator.core.observed import ObservedRun
from mt_operator.core.reasons import Reason
from mt_operator.core.run.failure import Broken
from mt_operator.core.run.inputs import Work
from mt_operator.core.run.jobs import Lost, follow
from mt_operator.core.run.step import SOON, Step, going

R = TypeVar("R", bound=Message)

# Which stage collects a stage's result, and how status.attempts calls that.
COLLECTORS = {
    Stage.TRAIN: (Stage.COLLECT_TRAIN, "collectTrain"),
    Stage.IMPORT: (Stage.COLLECT_TRAIN, "collectTrain"),  # which leaves the same result
    Stage.EVALUATE: (Stage.COLLECT_EVALUATE, "collectEvaluate"),
}


def result_of(
    observed: ObservedRun, work: Work, task: Task, kind: type[R], reason: Reason
) -> R | Broken | Step:
    """Return the result of the Job of ``task``, from itself or collected, or the step towards it.

    Args:
        observed: the run.
        work: what its Jobs are made from.
        task: the Job that the stored status asks for.
        kind: of the message that is its result.
        reason: of Reconciling while it is at work.
    """
    stage, key = COLLECTORS[task.stage]
    attempts = observed.status.get("attempts") or {}
    if not attempts.get(key):
        outcome = follow(observed, task, kind, reason)
        if not isinstance(outcome, Lost):
            return outcome
        message = f"Job {task.name} completed without a readable message: its result is read again."
        fields = {"attempts": dict(attempts) | {key: 1}}
        return going(observed, Reason.COLLECTING, message, fields=fields, requeue_after=SOON)
    collector = collect_task(observed, work, stage, attempts[key])
    outcome = follow(observed, collector, kind, Reason.COLLECTING)
    if isinstance(outcome, (Lost, Broken)):
        return _gone(task, outcome)
    return outcome


def _gone(task: Task, outcome: Lost | Broken) -> Broken:
    why = outcome.message if isinstance(outcome, Broken) else outcome.said
    text = f"Job {task.name} completed, but its result is not in the run's folder either"
    advice = "do all pods see the same volume? Then start the run again."
    return Broken(Reason.RESULT_LOST, f"{text} ({why or 'nothing was said'}): {advice}")
