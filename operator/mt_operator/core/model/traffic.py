"""What a traffic backend sees: which revisions are there and ready, and where requests go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Serving:
    """The predictor of one revision."""

    ready: bool  # requests may be led to it
    replicas: int = 0  # how many pods may be counted upon now
    waiting: str = ""  # why a pod of it does not get ready
    complete: bool = True  # all of it is there: never less than that when it is new


@dataclass(frozen=True)
class Traffic:
    """What is observed of a model's predictors and of the way to them."""

    # By revision; what is not there is missing.
    serving: Mapping[str, Serving] = field(default_factory=dict)
    # By backend (see ``turn.backend_name``), in percent; what is in force, if ``settled``.
    weights: Mapping[str, int] = field(default_factory=dict)
    settled: bool = False  # what was last asked for is in force
    led: bool = False  # something of ours leads requests to this model
    complaint: str = ""  # what the gateway says when it does not do as it was told
