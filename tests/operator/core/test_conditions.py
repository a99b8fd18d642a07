"""Conditions: their transition times, order and generations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.operator.builders import NOW

from mt_contract.codec import DecodeError
from mt_operator.core.conditions import (
    Conditions,
    get_condition,
    is_true,
    read_conditions,
    remove_condition,
    set_condition,
    write_conditions,
)
from mt_operator.core.reasons import Reason, reason_or

LATER = NOW + timedelta(minutes=5)


def two() -> Conditions:
    first = set_condition((), "Ready", True, Reason.SERVING, "serves", 1, NOW)
    return set_condition(first, "UpToDate", None, Reason.TRAINING, "on its way", 1, NOW)


def test_the_transition_time_moves_only_with_the_status() -> None:
    same = set_condition(two(), "Ready", True, Reason.CANARY, "other words", 2, LATER)
    changed = set_condition(two(), "Ready", False, Reason.SERVING, "serves", 1, LATER)
    ready, gone = get_condition(same, "Ready"), get_condition(changed, "Ready")
    assert ready is not None
    assert gone is not None
    assert (ready.last_transition_time, ready.message, ready.observed_generation) == (
        NOW,
        "other words",
        2,
    )
    assert gone.last_transition_time == LATER


def test_a_condition_keeps_its_place() -> None:
    changed = set_condition(two(), "Ready", False, Reason.NOT_READY, "gone", 2, LATER)
    assert [condition.type for condition in changed] == ["Ready", "UpToDate"]
    assert remove_condition(changed, "Ready", "Stalled") == changed[1:]


def test_unknown_is_not_true() -> None:
    assert is_true(two(), "Ready")
    assert not is_true(two(), "UpToDate")
    assert not is_true(two(), "Absent")


def test_conditions_are_the_same_after_they_were_stored() -> None:
    stored = {"conditions": write_conditions(two())}
    assert read_conditions(stored) == two()
    assert stored["conditions"][1]["status"] == "Unknown"
    assert read_conditions({}) == ()


def test_what_is_no_condition_is_named() -> None:
    with pytest.raises(DecodeError, match=r"status\.conditions\[0\]\.status: is required"):
        read_conditions({"conditions": [{"type": "Ready"}]})


def test_a_long_message_is_cut() -> None:
    (only,) = set_condition((), "Ready", True, Reason.SERVING, "x" * 5000, 1, NOW)
    assert only.message == "x" * 1023 + "…"


def test_reasons_of_programs_are_ours_or_replaced() -> None:
    assert reason_or("DataInvalid", Reason.RUN_FAILED) is Reason.DATA_INVALID
    assert reason_or("Whatever", Reason.RUN_FAILED) is Reason.RUN_FAILED
    assert all(reason.meaning.endswith(".") for reason in Reason)
