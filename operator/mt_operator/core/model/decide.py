"""One decision about one TranslationModel: its policies, in order.

Children follow from the spec and the stored status alone; the next status follows from what was
observed. A transition is one status write, and its effect on children comes with the next decision:
killed between any two writes, the next decision goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from mt_contract.codec import DecodeError
from mt_operator.core.conditions import read_conditions, set_condition, write_conditions
from mt_operator.core.model import children, routing
from mt_operator.core.model.actions import act
from mt_operator.core.model.candidate import choose, follow
from mt_operator.core.model.conditions import STALLED, conclude
from mt_operator.core.model.in_place import change_in_place
from mt_operator.core.model.mode import fix_mode
from mt_operator.core.model.obstacle import obstacle
from mt_operator.core.model.possible import check_possible
from mt_operator.core.model.retention import expired_runs
from mt_operator.core.model.retiring import let_go
from mt_operator.core.model.rollout import advance, boundaries
from mt_operator.core.model.situation import situation
from mt_operator.core.model.state import ModelStatus
from mt_operator.core.model.stored import decode_status, encode_status
from mt_operator.core.model.trigger import trigger
from mt_operator.core.model.turn import Kind, Situation, Turn
from mt_operator.core.observed import ObservedModel
from mt_operator.core.plan import ImpossibleError, Plan
from mt_operator.core.reasons import Reason

Policy = Callable[[Situation, Turn], Turn]

POLICIES: tuple[Policy, ...] = (
    fix_mode,  # how is it served, and its traffic split?
    act,  # what did a person ask for?
    change_in_place,  # what serves: does it serve as the spec says?
    trigger,  # does a run have to start, and why?
    choose,  # which run should be tried?
    follow,  # what has become of it?
    advance,  # what stage is it in, and may it go on?
    let_go,  # what has lost its traffic long enough ago?
    conclude,  # what do people and tools read?
)
LOOK_AGAIN = timedelta(seconds=60)  # for what the cluster lacks


def decide_model(observed: ObservedModel) -> Plan:
    """Return what to do about a model, and what its next status is.

    Raises:
        ImpossibleError: the snapshot cannot exist; nothing may be touched.
    """
    if observed.meta.deleting:
        return Plan()  # its children go with it
    try:
        s = situation(observed)
    except DecodeError as error:
        return _unreadable(observed, str(error))
    except KeyError as error:
        return _unreadable(observed, f"spec.training.preset: there is no preset {error}")
    try:
        stored = decode_status(observed.status)
    except DecodeError as error:
        raise ImpossibleError(f"{error}: somebody else wrote to the status") from error
    check_possible(s, stored)
    s = replace(s, obstacle=obstacle(s, stored))
    turn = Turn(stored)
    for policy in POLICIES:
        turn = policy(s, turn)
    status = encode_status(turn.status, observed.status)
    return Plan(
        apply=children.to_apply(s, stored),
        delete=(*children.to_delete(s, stored), *expired_runs(s, stored)),
        status=None if status == observed.status else status,
        events=turn.events,
        judgement=turn.judgement,
        requeue_after=_next_look(s, turn.status),
    )


def _unreadable(observed: ObservedModel, why: str) -> Plan:
    """Say that the spec cannot be used, which the API server should have said; touch nothing."""
    conditions = set_condition(
        read_conditions(observed.status),
        STALLED,
        True,
        Reason.SPEC_INVALID,
        f"{why}. Correct it; what serves goes on serving.",
        observed.meta.generation,
        observed.now,
    )
    status = dict(observed.status) | {
        "observedGeneration": observed.meta.generation,
        "conditions": write_conditions(conditions),
    }
    return Plan(status=None if status == observed.status else status)


def _next_look(s: Situation, status: ModelStatus) -> timedelta | None:
    """Return how long until time alone changes the decision."""
    moments: list[datetime] = [entry.until for entry in status.retiring]
    if status.candidate is not None:
        in_force = routing.in_force(s, status)
        moments += boundaries(status.candidate, in_force, s.now)
    waits = [moment - s.observed.now for moment in moments if moment > s.observed.now]
    undecided = not status.traffic_backend  # what the cluster offers may be what is missing
    if s.obstacle is not None and (s.obstacle.kind is Kind.CLUSTER or undecided):
        waits.append(LOOK_AGAIN)
    return min(waits, default=None)
