"""Following one Job to its result: made, waited for, failed, or done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from mt_contract.report import Failure, Message
from mt_operator.core.children.nodes_service import nodes_service
from mt_operator.core.children.pod import Task, claims_of, job
from mt_operator.core.observed import JobState, JobView, ObservedRun
from mt_operator.core.plan import Ref
from mt_operator.core.reasons import Reason
from mt_operator.core.run.failure import Broken, failure_of, out_of_memory
from mt_operator.core.run.progress import progress_of
from mt_operator.core.run.step import LOOK_AGAIN, SOON, Step, going, stuck

R = TypeVar("R", bound=Message)

# A pod's message may be seen a moment after its Job's end; only then is it called lost.
GRACE = timedelta(seconds=5)
WAITING = timedelta(seconds=30)  # for a claim, a node, an image


@dataclass(frozen=True)
class Lost:
    """The Job completed, but left no result that can be read; ``said`` is what it left instead."""

    said: str = ""


def follow(
    observed: ObservedRun, task: Task, kind: type[R], reason: Reason
) -> R | Broken | Lost | Step:
    """Return what became of the Job of ``task``, or the step that brings it nearer.

    Args:
        observed: the run.
        task: the Job that the stored status asks for.
        kind: of the message that is its result.
        reason: of Reconciling while it is at work.
    """
    view = observed.jobs.get(task.name)
    if view is not None and view.meta.owner != observed.meta.uid:
        return stuck(
            observed,
            Reason.NAME_TAKEN,
            f"Job {task.name} exists and belongs to somebody else: remove or rename it.",
        )
    if is_suspended(observed) and (view is None or view.meta.deleting):
        return _suspended(observed, ())
    if observed.spec.get("suspend") and view is not None and is_active(view):
        return _suspended(observed, (ref_of(view),))
    if view is None:
        return _create(observed, task, reason)
    if view.meta.deleting:
        message = f"Job {task.name} is being deleted; it is made again when it is gone."
        return going(observed, reason, message, requeue_after=WAITING)
    if view.state is JobState.COMPLETE:
        return _result(observed, view, kind, reason)
    if view.state is JobState.FAILED:
        return failure_of(view, task)
    if view.oom_killed:
        return out_of_memory(task)
    return _service(observed, task, reason) or _wait(observed, view, task, reason)


def is_suspended(observed: ObservedRun) -> bool:
    """Return whether nothing new may start: the run or its model says so."""
    model = observed.model
    return bool(observed.spec.get("suspend") or (model and model.spec.get("suspend")))


def is_active(view: JobView) -> bool:
    """Return whether the Job has pods, or may get some."""
    return view.state in (JobState.ACTIVE, JobState.SUSPENDED) and not view.meta.deleting


def ref_of(view: JobView) -> Ref:
    """Return what deletes this very Job."""
    return Ref("batch/v1", "Job", view.meta.name, view.meta.uid)


def missing_claims(observed: ObservedRun, uris: tuple[str, ...]) -> tuple[str, ...]:
    """Return the claims that ``uris`` name and that are known not to exist."""
    return tuple(claim for claim in claims_of(uris) if not observed.claims.get(claim, True))


def _create(observed: ObservedRun, task: Task, reason: Reason) -> Step:
    missing = missing_claims(observed, (*task.writes, *task.reads))
    if missing:
        claims = ", ".join(missing)
        message = f"PersistentVolumeClaim {claims} does not exist in this namespace: create it."
        return going(observed, Reason.WAITING_FOR_STORAGE, message, requeue_after=WAITING)
    if step := _service(observed, task, reason):
        return step
    message = f"Job {task.name} is being made."
    return going(observed, reason, message, apply=(job(task),), requeue_after=WAITING)


def _service(observed: ObservedRun, task: Task, reason: Reason) -> Step | None:
    """Return the step that makes what the Job's pods need to find each other, where it is not."""
    if task.service is None or task.service in observed.services:
        return None
    message = f"Service {task.service}, by which the pods find each other, is being made."
    return going(observed, reason, message, apply=(nodes_service(task),), requeue_after=SOON)


def _suspended(observed: ObservedRun, delete: tuple[Ref, ...]) -> Step:
    message = "suspend is set on the run or its model: nothing new starts. Unset it to go on."
    if delete:
        message = "suspend is set: the Job is stopped, its checkpoints stay. Unset it to go on."
    return going(observed, Reason.SUSPENDED, message, delete=delete)


def _result(observed: ObservedRun, view: JobView, kind: type[R], reason: Reason) -> R | Lost | Step:
    if isinstance(view.message, kind):
        return view.message
    if view.finished is not None and observed.now - view.finished < GRACE:
        message = f"Job {view.meta.name} completed; its result is being read."
        return going(observed, reason, message, requeue_after=GRACE)
    return Lost(view.message.message if isinstance(view.message, Failure) else "")


def _wait(observed: ObservedRun, view: JobView, task: Task, reason: Reason) -> Step:
    progress = progress_of(observed, view)
    fields = {"progress": progress} if progress is not None else {}
    again = observed.settings.progress_interval if view.running else WAITING
    if view.state is JobState.SUSPENDED:
        queue = task.placement.queue_name
        message = (
            f"Job {task.name} waits until queue {queue} admits it."
            if queue
            else f"Job {task.name} was suspended by somebody else: resume it."
        )
        return going(observed, Reason.WAITING_FOR_QUOTA, message, requeue_after=LOOK_AGAIN)
    if view.running:
        message = f"Job {task.name} is at work."
        return going(observed, reason, message, fields=fields, requeue_after=again)
    if view.waiting and view.waiting != _last_words(view):
        message = f"Job {task.name} is waiting: {view.waiting}"
        return going(observed, Reason.WAITING_FOR_POD, message, requeue_after=again)
    return going(observed, reason, _between(view, task), requeue_after=again)


def _between(view: JobView, task: Task) -> str:
    """Return what is known while not all containers run: they start, failed, or are done."""
    if view.message is not None and not isinstance(view.message, Failure):
        return f"Job {task.name} has its result, and is ending."
    if why := _last_words(view):
        return f"Job {task.name} tries again, after {why}"
    if view.exit_code:
        return f"Job {task.name} tries again: its last pod ended with exit code {view.exit_code}."
    return f"Job {task.name} is starting its pod."


def _last_words(view: JobView) -> str:
    """Return why the last pod failed, as it said itself."""
    said = view.message
    return f"{said.reason}: {said.message}" if isinstance(said, Failure) else ""
