"""Prints docs/states.md: every state of both kinds, and what conditions and tools say of it.

The tests drive models and runs through all of these states and compare what is written, what
kstatus makes of it and what Argo CD's health.lua makes of it with this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mt_operator.core.reasons import Reason

ABSENT = "-"
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


class Kstatus(StrEnum):
    """What sigs.k8s.io/cli-utils and Flux make of an object."""

    IN_PROGRESS = "InProgress"
    CURRENT = "Current"
    FAILED = "Failed"


class Health(StrEnum):
    """What Argo CD shows."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    SUSPENDED = "Suspended"
    DEGRADED = "Degraded"


@dataclass(frozen=True)
class State:
    """One row: when it is so, what the conditions are, and what follows from them."""

    name: str
    when: str
    kstatus: Kstatus
    health: Health
    # By type, the statuses that it may have; ABSENT where it may be missing.
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    telling: str = ""  # the condition whose reason and message say why
    reasons: tuple[Reason, ...] = ()  # that it has here; none: any
    candidate: bool | None = None  # of a run: its spec.candidate, where that matters


def _row(text: str) -> dict[str, tuple[str, ...]]:
    """Return the conditions in ``text``: ``Ready=True|Unknown Stalled=-``."""
    pairs = (pair.split("=") for pair in text.split())
    return {type: tuple(statuses.split("|")) for type, statuses in pairs}


_GOING = _row("Ready=True|Unknown|False UpToDate=False Reconciling=True Stalled=- Degraded=False")
_MOVING = _GOING | _row("Paused=-|False")
_HELD = _GOING | _row("Paused=True")
_STUCK = _row("Ready=True|False UpToDate=False Reconciling=- Stalled=True")
_RESTING = _row("Reconciling=- Stalled=- Degraded=False")
_REJECTIONS = (
    Reason.GATE_FAILED,
    Reason.GATE_INCONCLUSIVE,
    Reason.DATA_INVALID,
    Reason.RUN_FAILED,
    Reason.SERVING_CHECK_FAILED,
    Reason.ANALYSIS_FAILED,
    Reason.PROGRESS_DEADLINE_EXCEEDED,
    Reason.ABORTED,
    Reason.ROLLED_BACK,
)
_REFUSALS = (
    Reason.NOT_SUPPORTED_YET,
    Reason.SPEC_INCOMPLETE,
    Reason.SPEC_INVALID,
    Reason.IMAGE_NOT_ALLOWED,
    Reason.NAME_TAKEN,
    Reason.REFUSED,
    Reason.IMPOSSIBLE,
)

NOT_OBSERVED = State(
    "NotObserved",
    "made or changed a moment ago; `status.observedGeneration` is -1 or older",
    Kstatus.IN_PROGRESS,
    Health.PROGRESSING,
)
MODEL_STATES: tuple[State, ...] = (
    NOT_OBSERVED,
    State(
        "Training",
        "the run that the spec asks for is made, waits or trains",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _MOVING,
        "Reconciling",
        (Reason.RESOLVING, Reason.TRAINING),
    ),
    State(
        "Evaluating",
        "its artifact is evaluated and judged by the gates",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _MOVING,
        "Reconciling",
        (Reason.EVALUATING,),
    ),
    State(
        "Deploying",
        "its revision starts, without traffic",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _MOVING,
        "Reconciling",
        (Reason.DEPLOYING,),
    ),
    State(
        "ServingCheck",
        "held-out sentences are compared at weight 0",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _MOVING,
        "Reconciling",
        (Reason.SERVING_CHECK,),
    ),
    State(
        "AwaitingApproval",
        "`approval: Required`: nothing gets weight before `promote`",
        Kstatus.IN_PROGRESS,
        Health.SUSPENDED,
        _HELD,
        "Paused",
        (Reason.AWAITING_APPROVAL,),
    ),
    State(
        "Canary",
        "it has a share of the traffic; a step waits for its time or its evidence",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _MOVING,
        "Reconciling",
        (Reason.CANARY, Reason.PROMOTING),
    ),
    State(
        "Paused",
        "a step without a duration, somebody's `pause`, or no data: a person has to act",
        Kstatus.IN_PROGRESS,
        Health.SUSPENDED,
        _HELD,
        "Paused",
        (Reason.PAUSED, Reason.NO_DATA),
    ),
    State(
        "RollingBack",
        "it was rejected under traffic, which goes back to production",
        Kstatus.IN_PROGRESS,
        Health.DEGRADED,
        _GOING | _row("Degraded=True Paused=-|False"),
        "Reconciling",
        (Reason.ROLLING_BACK,),
    ),
    State(
        "Rejected",
        "what the spec asks for was rejected; production serves on until somebody acts",
        Kstatus.FAILED,
        Health.DEGRADED,
        _STUCK | _row("Degraded=True"),
        "Stalled",
        _REJECTIONS,
    ),
    State(
        "UpToDate",
        "what the spec asks for is in production",
        Kstatus.CURRENT,
        Health.HEALTHY,
        _RESTING | _row("Ready=True UpToDate=True Paused=-|False"),
        "Ready",
        (Reason.SERVING,),
    ),
    State(
        "NotReady",
        "the same, but no pod of production is ready",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _RESTING | _row("Ready=False UpToDate=True Paused=-|False"),
        "Ready",
        (Reason.NOT_READY,),
    ),
    State(
        "Suspended",
        "`suspend: true`; nothing was under way, what is in production serves on",
        Kstatus.CURRENT,
        Health.SUSPENDED,
        _RESTING | _row("Ready=True UpToDate=True|False Paused=True"),
        "Paused",
        (Reason.SUSPENDED,),
    ),
    State(
        "SuspendedBeforeTheFirst",
        "`suspend: true`, and nothing serves yet",
        Kstatus.IN_PROGRESS,
        Health.SUSPENDED,
        _RESTING | _row("Ready=Unknown|False UpToDate=False Paused=True"),
        "Paused",
        (Reason.SUSPENDED,),
    ),
    State(
        "WaitingForCluster",
        "KServe or the Gateway API is not installed yet",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _row("UpToDate=True|False Reconciling=True Stalled=- Degraded=False Paused=-|False"),
        "Reconciling",
        (Reason.WAITING_FOR_KSERVE, Reason.WAITING_FOR_GATEWAY_API),
    ),
    State(
        "Refused",
        "the spec asks for what cannot be, or its run does; nothing new starts",
        Kstatus.FAILED,
        Health.DEGRADED,
        _STUCK | _row("Degraded=True|False"),
        "Stalled",
        (*_REFUSALS, Reason.UNKNOWN_GATEWAY, Reason.HOST_NAME_TOO_LONG, Reason.MODEL_NOT_FOUND),
    ),
)

_UNDER_WAY = _row("Reconciling=True Stalled=- Succeeded=-|False Failed=-|False")
_OVER = _row("Reconciling=- Stalled=- Succeeded=True Failed=-|False")
RUN_STATES: tuple[State, ...] = (
    NOT_OBSERVED,
    State(
        "Suspended",
        "`suspend` of the run or its model; also a run that something newer superseded",
        Kstatus.IN_PROGRESS,
        Health.SUSPENDED,
        _UNDER_WAY,
        "Reconciling",
        (Reason.SUSPENDED,),
    ),
    State(
        "Waiting",
        "its Job waits for a claim, a node, an image or a queue",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _UNDER_WAY,
        "Reconciling",
        (Reason.WAITING_FOR_STORAGE, Reason.WAITING_FOR_POD, Reason.WAITING_FOR_QUOTA),
    ),
    State(
        "Training",
        "the train Job is at work",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _UNDER_WAY,
        "Reconciling",
        (Reason.TRAINING,),
    ),
    State(
        "Importing",
        "the import Job is at work",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _UNDER_WAY,
        "Reconciling",
        (Reason.IMPORTING,),
    ),
    State(
        "Evaluating",
        "the evaluate Job is at work",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _UNDER_WAY,
        "Reconciling",
        (Reason.EVALUATING,),
    ),
    State(
        "Collecting",
        "a Job's result is read once more from the run's folder",
        Kstatus.IN_PROGRESS,
        Health.PROGRESSING,
        _UNDER_WAY,
        "Reconciling",
        (Reason.COLLECTING,),
    ),
    State(
        "Refused",
        "it asks for what cannot be; nothing starts",
        Kstatus.FAILED,
        Health.DEGRADED,
        _row("Reconciling=- Stalled=True Succeeded=-|False Failed=-|False"),
        "Stalled",
        (*_REFUSALS, Reason.MODEL_NOT_FOUND),
    ),
    State(
        "Blessed",
        "all gates passed",
        Kstatus.CURRENT,
        Health.HEALTHY,
        _OVER | _row("Blessed=True"),
        "Blessed",
        (Reason.BLESSED,),
    ),
    State(
        "NotBlessed",
        "a gate did not pass; it was an experiment, of which nothing more was wanted",
        Kstatus.CURRENT,
        Health.HEALTHY,
        _OVER | _row("Blessed=False"),
        "Blessed",
        (Reason.GATE_FAILED, Reason.GATE_INCONCLUSIVE),
        candidate=False,
    ),
    State(
        "CandidateNotBlessed",
        "a gate did not pass; it has `candidate: true`, and will not be rolled out",
        Kstatus.CURRENT,
        Health.DEGRADED,
        _OVER | _row("Blessed=False"),
        "Blessed",
        (Reason.GATE_FAILED, Reason.GATE_INCONCLUSIVE),
        candidate=True,
    ),
    State(
        "Failed",
        "it ended without an evaluated artifact",
        Kstatus.FAILED,
        Health.DEGRADED,
        _row("Reconciling=- Stalled=True Succeeded=False Failed=True"),
        "Failed",
    ),
)

HEAD = """# States

What each state of a TranslationModel and of a TrainingRun looks like to people and tools. This
page is made from `operator/states_table.py` by `make docs`; the tests drive both kinds through
every row.

kstatus is what Flux and `cli-utils` read; Argo CD's health comes from the Lua files in
`manifests/argocd` (how to install them: [gitops.md](gitops.md)). `-` stands for a condition that is
not there; where several values are possible, they are listed. `Ready` says whether something
serves; `UpToDate`, whether it is what the spec asks for.
"""
MODEL_TYPES = ("Ready", "UpToDate", "Reconciling", "Stalled", "Degraded", "Paused")
RUN_TYPES = ("Reconciling", "Stalled", "Succeeded", "Failed", "Blessed")


def page() -> str:
    """Return docs/states.md."""
    return "\n".join(
        (
            HEAD,
            "## TranslationModel\n",
            _table(MODEL_STATES, MODEL_TYPES),
            "## TrainingRun\n",
            _table(RUN_STATES, RUN_TYPES),
        )
    )


def _table(states: tuple[State, ...], types: tuple[str, ...]) -> str:
    head = ("state", "when", *(f"`{type}`" for type in types), "reasons", "kstatus", "Argo CD")
    rows = [head, ("---",) * len(head)]
    for state in states:
        statuses = (" / ".join(state.conditions.get(type, ())) for type in types)
        reasons = ", ".join(f"`{reason.value}`" for reason in state.reasons)
        told = f"of `{state.telling}`: {reasons}" if reasons else ""
        rows.append((state.name, state.when, *statuses, told, state.kstatus, state.health))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    print(page(), end="")
