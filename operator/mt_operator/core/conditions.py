"""Conditions of both kinds: their transition times, generations and order live here alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mt_contract.codec import from_json, to_json
from mt_contract.resource import Condition
from mt_operator.core.reasons import Reason

MAX_MESSAGE = 1024  # the API allows 32768; longer than this nobody reads
Conditions = tuple[Condition, ...]


def set_condition(
    conditions: Conditions,
    type: str,
    status: bool | None,
    reason: Reason,
    message: str,
    generation: int,
    now: datetime,
) -> Conditions:
    """Return ``conditions`` with this one set.

    Args:
        conditions: as stored.
        type: of the condition; an existing one keeps its place, a new one comes last.
        status: True, False, or None for Unknown.
        reason: why, for programs.
        message: why, for people: what happened, with numbers, and what to do.
        generation: of the object whose spec was judged.
        now: becomes the transition time, but only where the status differs from the stored one.
    """
    text = {True: "True", False: "False", None: "Unknown"}[status]
    old = get_condition(conditions, type)
    since = now.replace(microsecond=0)
    if old is not None and old.status == text and old.last_transition_time is not None:
        since = old.last_transition_time
    new = Condition(type, text, reason.value, shorten(message), generation, since)
    if old is None:
        return (*conditions, new)
    return tuple(new if condition.type == type else condition for condition in conditions)


def remove_condition(conditions: Conditions, *types: str) -> Conditions:
    """Return ``conditions`` without these types (Reconciling, Stalled: present only when True)."""
    return tuple(condition for condition in conditions if condition.type not in types)


def get_condition(conditions: Conditions, type: str) -> Condition | None:
    """Return the condition of this type."""
    return next((condition for condition in conditions if condition.type == type), None)


def is_true(conditions: Conditions, type: str) -> bool:
    """Return whether the condition is present and True."""
    condition = get_condition(conditions, type)
    return condition is not None and condition.status == "True"


def read_conditions(status: Mapping[str, Any]) -> Conditions:
    """Return the conditions in a stored status.

    Raises:
        DecodeError: somebody else wrote one that is not a condition.
    """
    stored: Iterable[Any] = status.get("conditions") or ()
    return tuple(
        from_json(Condition, item, f"status.conditions[{number}]")
        for number, item in enumerate(stored)
    )


def write_conditions(conditions: Conditions) -> list[dict[str, Any]]:
    """Return ``conditions`` as the JSON of ``status.conditions``."""
    return [to_json(condition) for condition in conditions]


def shorten(message: str, limit: int = MAX_MESSAGE) -> str:
    """Return ``message`` cut to ``limit`` characters, with an ellipsis where it was cut."""
    return message if len(message) <= limit else message[: limit - 1] + "…"
