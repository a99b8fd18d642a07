"""Where a run is, as its stored status tells, and which ways lead on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mt_operator.core.conditions import is_true, read_conditions

Tree = Mapping[str, Any]


class RunStage(StrEnum):
    """The stages of a run, as ``status.progress.stage`` shows them."""

    RESOLVING = "Resolving"
    TRAINING = "Training"
    IMPORTING = "Importing"
    EVALUATING = "Evaluating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


OVER = frozenset({RunStage.SUCCEEDED, RunStage.FAILED})


@dataclass(frozen=True)
class Transition:
    """One way from a stage to the next: one write of the status."""

    source: RunStage
    target: RunStage
    when: str


TRANSITIONS = (
    Transition(RunStage.RESOLVING, RunStage.TRAINING, "what was asked for is complete"),
    Transition(RunStage.RESOLVING, RunStage.IMPORTING, "a model made elsewhere is asked for"),
    Transition(RunStage.RESOLVING, RunStage.EVALUATING, "an artifact is reused: none is trained"),
    Transition(RunStage.RESOLVING, RunStage.SUCCEEDED, "only bounds changed: judged at once"),
    Transition(RunStage.TRAINING, RunStage.EVALUATING, "the train Job published an artifact"),
    Transition(RunStage.TRAINING, RunStage.FAILED, "its Job failed, or its result is lost"),
    Transition(RunStage.IMPORTING, RunStage.EVALUATING, "the import Job published an artifact"),
    Transition(RunStage.IMPORTING, RunStage.FAILED, "its Job failed, or its result is lost"),
    Transition(RunStage.EVALUATING, RunStage.SUCCEEDED, "there are scores, and gates judged them"),
    Transition(RunStage.EVALUATING, RunStage.FAILED, "its Job failed, or its result is lost"),
)


def diagram() -> str:
    """Return the table of transitions as text, for documentation."""
    return "\n".join(f"    {way.source:<10} -> {way.target:<10}  {way.when}" for way in TRANSITIONS)


def stage_of(status: Tree) -> RunStage:
    """Return the stage of a run with this stored status.

    Raises:
        DecodeError: its conditions are none of ours.
    """
    conditions = read_conditions(status)
    attempts = status.get("attempts") or {}
    if is_true(conditions, "Succeeded"):
        return RunStage.SUCCEEDED
    if is_true(conditions, "Failed"):
        return RunStage.FAILED
    if attempts.get("evaluate"):
        return RunStage.EVALUATING
    if attempts.get("import"):
        return RunStage.IMPORTING
    return RunStage.TRAINING if attempts.get("train") else RunStage.RESOLVING
