"""Why a Job failed, in words that say what to do."""

from __future__ import annotations

from dataclasses import dataclass

from mt_contract.codec import format_duration
from mt_contract.names import Stage
from mt_contract.report import Failure
from mt_operator.core.children.pod import Task
from mt_operator.core.observed import JobView
from mt_operator.core.reasons import Reason, reason_or


@dataclass(frozen=True)
class Broken:
    """A Job that will not end well."""

    reason: Reason
    message: str


def failure_of(view: JobView, task: Task) -> Broken:
    """Return why the Job of ``task`` failed: what its program said goes before its Job's word."""
    if view.oom_killed:
        return out_of_memory(task)
    if "DeadlineExceeded" in view.failure:
        return _deadline(task)
    if isinstance(view.message, Failure):
        return _said(view.message, task)
    code = "" if view.exit_code is None else f", the last with exit code {view.exit_code}"
    if "FailedIndexes" in view.failure:
        times = task.placement.backoff_limit + 1
        text = f"A pod of Job {task.name} failed, {times} times{code}: its pods' logs say why."
        return Broken(Reason.BACKOFF_LIMIT_EXCEEDED, text)
    if "BackoffLimitExceeded" in view.failure:
        pods = task.placement.backoff_limit + 1
        text = f"{pods} pods of Job {task.name} failed{code}: its pods' logs say why."
        return Broken(Reason.BACKOFF_LIMIT_EXCEEDED, text)
    text = f"Job {task.name} failed ({view.failure or 'no reason given'}){code}."
    return Broken(Reason.RUN_FAILED, text)


def out_of_memory(task: Task) -> Broken:
    """Return that a container of ``task`` was killed at its memory limit."""
    limit = (task.placement.resources.get("limits") or {}).get("memory", "the node's memory")
    advice = "raise spec.training.resources.limits.memory, or lower optimizer.batchTokens"
    if task.stage is not Stage.TRAIN:
        advice = "the model is too large for it: train a smaller one"
    text = f"The {task.stage} container was killed at its memory limit of {limit}: {advice}."
    return Broken(Reason.OUT_OF_MEMORY, text)


def _deadline(task: Task) -> Broken:
    deadline = task.placement.active_deadline
    limit = f"its activeDeadline of {format_duration(deadline)}" if deadline else "its deadline"
    text = f"Job {task.name} ran longer than {limit}: raise it, or make the budget smaller."
    return Broken(Reason.DEADLINE_EXCEEDED, text)


def _said(said: Failure, task: Task) -> Broken:
    reason = reason_or(said.reason, Reason.RUN_FAILED)
    text = said.message or f"Job {task.name} failed without a word."
    return Broken(reason, text if reason.value == said.reason else f"{said.reason}: {text}")
