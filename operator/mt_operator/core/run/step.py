"""What a policy decides about a run: a change of the status, and what has to be done for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mt_contract.codec import format_time
from mt_operator.core.conditions import (
    Conditions,
    read_conditions,
    remove_condition,
    set_condition,
)
from mt_operator.core.observed import ObservedRun
from mt_operator.core.plan import Child, Ref
from mt_operator.core.reasons import Reason

LOOK_AGAIN = timedelta(minutes=2)  # at what no watch of ours tells about
SOON = timedelta(seconds=1)  # after a transition: its Job is made in the next loop


@dataclass(frozen=True)
class Step:
    """One decision; ``fields`` replace those of the stored status."""

    conditions: Conditions
    fields: Mapping[str, Any] = field(default_factory=dict)
    apply: tuple[Child, ...] = ()
    delete: tuple[Ref, ...] = ()
    requeue_after: timedelta | None = None


def conditions_of(observed: ObservedRun) -> Conditions:
    """Return the stored conditions."""
    return read_conditions(observed.status)


def mark(
    observed: ObservedRun,
    conditions: Conditions,
    type: str,
    status: bool,
    reason: Reason,
    message: str,
) -> Conditions:
    """Return ``conditions`` with this one set, as of this observation."""
    generation, now = observed.meta.generation, observed.now
    return set_condition(conditions, type, status, reason, message, generation, now)


def going(
    observed: ObservedRun,
    reason: Reason,
    message: str,
    *,
    conditions: Conditions | None = None,
    fields: Mapping[str, Any] | None = None,
    apply: tuple[Child, ...] = (),
    delete: tuple[Ref, ...] = (),
    requeue_after: timedelta | None = None,
) -> Step:
    """Return a step of a run that is on its way: Reconciling, and not Stalled."""
    kept = remove_condition(conditions or conditions_of(observed), "Stalled")
    marked = mark(observed, kept, "Reconciling", True, reason, message)
    return Step(marked, fields or {}, apply, delete, requeue_after)


def stuck(observed: ObservedRun, reason: Reason, message: str) -> Step:
    """Return a step of a run that waits for a person: nothing is made, nothing is removed."""
    kept = remove_condition(conditions_of(observed), "Reconciling")
    marked = mark(observed, kept, "Stalled", True, reason, message)
    return Step(marked, requeue_after=LOOK_AGAIN)


def failed(observed: ObservedRun, missed: str, reason: Reason, message: str) -> Step:
    """Return the end of a run that has no evaluated artifact.

    Args:
        observed: the run.
        missed: the condition (Trained or Evaluated) that will now never come true.
        reason: of every condition that says so.
        message: what happened, and what to do.
    """
    conditions = remove_condition(conditions_of(observed), "Reconciling")
    if reason is Reason.DATA_INVALID:
        conditions = mark(observed, conditions, "DataValid", False, reason, message)
    for type, status in (
        (missed, False),
        ("Succeeded", False),
        ("Failed", True),
        ("Stalled", True),
    ):
        conditions = mark(observed, conditions, type, status, reason, message)
    return Step(conditions, {"completionTime": format_time(observed.now)})


def succeeded(observed: ObservedRun, conditions: Conditions, fields: Mapping[str, Any]) -> Step:
    """Return the end of a run whose artifact was evaluated, whatever its gates say."""
    kept = remove_condition(conditions, "Reconciling", "Stalled")
    message = "The run is over; Blessed says whether its gates passed."
    marked = mark(observed, kept, "Succeeded", True, Reason.COMPLETED, message)
    return Step(marked, dict(fields) | {"completionTime": format_time(observed.now)})
