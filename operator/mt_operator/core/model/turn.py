"""What policies are given and give: the situation, and the status with the events so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import Any

from mt_contract import names
from mt_contract.resource import History, Rollout
from mt_operator.core.analysis.judge import Judgement
from mt_operator.core.model.outcome import Options
from mt_operator.core.model.state import ModelStatus, Revision, Tree
from mt_operator.core.model.traffic import Traffic
from mt_operator.core.observed import Meta, ObservedModel, RunView, ServiceView
from mt_operator.core.plan import Event
from mt_operator.core.reasons import Reason


class Kind(Enum):
    """What an obstacle asks for."""

    PERSON = auto()  # Stalled: somebody has to change something
    CLUSTER = auto()  # Reconciling: it goes away by itself
    SUSPENSION = auto()  # Paused: somebody wanted it


@dataclass(frozen=True)
class Obstacle:
    """Why nothing new may start and no rollout may go on; what serves goes on serving."""

    kind: Kind
    reason: Reason
    message: str


@dataclass(frozen=True)
class Situation:
    """A snapshot of a model with what every policy reads of it."""

    observed: ObservedModel
    now: datetime  # whole seconds, as they are stored
    runs: Mapping[str, RunView]
    rollout: Rollout
    options: Options
    history: History
    backend: str  # how requests are split; a key of backends.BACKENDS
    traffic: Traffic  # what that backend sees
    obstacle: Obstacle | None = None

    @property
    def meta(self) -> Meta:
        """Return the model's metadata."""
        return self.observed.meta

    @property
    def spec(self) -> Tree:
        """Return the model's spec as written."""
        return self.observed.spec

    def service(self, build: Revision) -> ServiceView | None:
        """Return the revision's InferenceService, if it is there to stay and ours."""
        view = self.observed.services.get(service_name(self.meta, build))
        if view is None or view.meta.deleting or view.meta.owner != self.meta.uid:
            return None
        return view

    def ready(self, build: Revision) -> bool:
        """Return whether the revision's predictor is ready to serve."""
        seen = self.traffic.serving.get(build.revision)
        return seen is not None and seen.ready

    def complete(self, build: Revision) -> bool:
        """Return whether all of the revision's predictor is ready, as it has to be once."""
        seen = self.traffic.serving.get(build.revision)
        return seen is not None and seen.ready and seen.complete

    def replicas(self, build: Revision) -> int:
        """Return how many of the revision's pods may be counted upon now."""
        seen = self.traffic.serving.get(build.revision)
        return seen.replicas if seen else 0

    def waiting(self, build: Revision) -> str:
        """Return why a pod of the revision does not get ready, or nothing."""
        seen = self.traffic.serving.get(build.revision)
        return seen.waiting if seen else ""

    def owns(self, run: RunView) -> bool:
        """Return whether the operator made this run for this model."""
        return run.meta.owner == self.meta.uid


@dataclass(frozen=True)
class Turn:
    """The next status as far as it is decided, and the events that announce it."""

    status: ModelStatus
    events: tuple[Event, ...] = ()
    judgement: Judgement | None = None  # of this look, whether it is stored or not

    def to(self, **changes: Any) -> Turn:
        """Return this turn with fields of the status replaced."""
        return replace(self, status=replace(self.status, **changes))

    def tell(self, reason: Reason | str, message: str, warning: bool = False) -> Turn:
        """Return this turn with one more event."""
        event = Event("Warning" if warning else "Normal", str(reason), message)
        return replace(self, events=(*self.events, event))


def service_name(meta: Meta, build: Revision) -> str:
    """Return the name of the revision's InferenceService."""
    return names.inference_service_name(meta.name, build.revision)


def backend_name(meta: Meta, build: Revision) -> str:
    """Return the name of the Service that routes lead to."""
    return f"{service_name(meta, build)}-predictor"
