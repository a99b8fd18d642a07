"""One decision about a TrainingRun: what its Jobs are, and what its status says next.

    Resolving  -> Training    what was asked for is complete
    Resolving  -> Importing   a model made elsewhere is asked for
    Resolving  -> Evaluating  an artifact is reused: none is trained
    Resolving  -> Succeeded   only bounds changed: judged at once
    Training   -> Evaluating  the train Job published an artifact
    Training   -> Failed      its Job failed, or its result is lost
    Importing  -> Evaluating  the import Job published an artifact
    Importing  -> Failed      its Job failed, or its result is lost
    Evaluating -> Succeeded   there are scores, and gates judged them
    Evaluating -> Failed      its Job failed, or its result is lost

(The table is ``stage.TRANSITIONS``.) Each arrow is one write of the status; the next stage's Job
follows from what is stored, in the next loop. A stage's Job is a function of (owner UID, run,
stage, attempt): made twice, it is one; deleted by somebody, it is made again and goes on from its
checkpoint. Finished Jobs stay with the run that owns them: their pods keep the logs, and who looks
at the past cannot make them twice. One that is active when its run is over, or suspended, is
deleted; a suspended model only starts nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mt_contract.codec import DecodeError
from mt_operator.core.conditions import get_condition, read_conditions, write_conditions
from mt_operator.core.observed import ObservedRun
from mt_operator.core.plan import Event, ImpossibleError, Plan, Ref
from mt_operator.core.run.evaluating import evaluate
from mt_operator.core.run.importing import import_model
from mt_operator.core.run.jobs import is_active, ref_of
from mt_operator.core.run.resolve import resolve_run
from mt_operator.core.run.stage import OVER, RunStage, stage_of
from mt_operator.core.run.step import Step, conditions_of
from mt_operator.core.run.training import train

Tree = Mapping[str, Any]
Rule = Callable[[ObservedRun], Step | None]


def stop_jobs(observed: ObservedRun) -> Step | None:
    """Make sure that no Job of a run that is over works on, and none of its Services is left."""
    if stage_of(observed.status) not in OVER:
        return None
    ours = (view for view in observed.jobs.values() if view.meta.owner == observed.meta.uid)
    services = (meta for meta in observed.services.values() if meta.owner == observed.meta.uid)
    gone = [
        *(ref_of(view) for view in ours if is_active(view)),
        *(Ref("v1", "Service", meta.name, meta.uid) for meta in services if not meta.deleting),
    ]
    return Step(conditions_of(observed), delete=tuple(gone))


# In this order; the first that has something to say decides.
RULES: tuple[Rule, ...] = (stop_jobs, resolve_run, train, import_model, evaluate)


def decide_run(observed: ObservedRun) -> Plan:
    """Return what is to be done for the run now.

    Raises:
        ImpossibleError: the stored status is none that decisions lead to.
    """
    if observed.meta.deleting:
        return Plan()  # its Jobs go with it
    try:
        step = next(step for rule in RULES if (step := rule(observed)) is not None)
    except DecodeError as error:
        raise ImpossibleError(str(error)) from error
    status = _next_status(observed, step)
    changed = status != observed.status
    return Plan(
        apply=step.apply,
        delete=step.delete,
        status=status if changed else None,
        events=_events(observed.status, status) if changed else (),
        requeue_after=step.requeue_after,
    )


def _next_status(observed: ObservedRun, step: Step) -> dict[str, Any]:
    status = dict(observed.status) | dict(step.fields)
    status["observedGeneration"] = observed.meta.generation
    status["conditions"] = write_conditions(step.conditions)
    status["progress"] = dict(status.get("progress") or {}) | {"stage": stage_of(status).value}
    return status


def _events(stored: Tree, status: Tree) -> tuple[Event, ...]:
    """Return what to announce: a new stage, or that a person is needed."""
    before, after = stage_of(stored), stage_of(status)
    type = {RunStage.SUCCEEDED: "Blessed", RunStage.FAILED: "Failed"}.get(after, "Reconciling")
    if before is after:
        type = "Stalled"
    old = get_condition(read_conditions(stored), type)
    new = get_condition(read_conditions(status), type)
    if new is None or (old is not None and old.reason == new.reason):
        return ()
    good = type == "Reconciling" or (type == "Blessed" and new.status == "True")
    return (Event("Normal" if good else "Warning", new.reason, new.message),)
