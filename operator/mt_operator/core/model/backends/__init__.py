"""The ways to serve revisions and to split requests between them, one file each.

A backend is pure: it reads a snapshot, and says which children the stored status implies. Which one
a model has is found once and stands in its status; a further one is a file and a line in BACKENDS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mt_operator.core.model.backends import blue_green, http_route, kserve_knative
from mt_operator.core.model.endpoint import Endpoint, Place
from mt_operator.core.model.state import ModelStatus, Revision
from mt_operator.core.model.traffic import Traffic
from mt_operator.core.model.turn import Obstacle, Situation
from mt_operator.core.observed import ObservedModel
from mt_operator.core.plan import Child


class Backend(Protocol):
    """What a module of this package offers."""

    def observe(self, o: ObservedModel) -> Traffic:
        """Return what is seen of the model's predictors and of the way to them."""

    def weights(self, s: Situation, status: ModelStatus) -> Mapping[str, int]:
        """Return the weight of each backend that ``status`` implies: they sum to 100, or none."""

    def children(self, s: Situation, status: ModelStatus) -> tuple[Child, ...]:
        """Return what differs from the children that ``status`` implies."""

    def claims(self, s: Situation, status: ModelStatus) -> tuple[tuple[str, str], ...]:
        """Return kind and name of the children that ``status`` will ever need."""

    def needs(self, s: Situation, status: ModelStatus) -> tuple[tuple[str, str], ...]:
        """Return kind and name of the children that stay; others of their kinds are deleted."""

    def dark_host(self, s: Situation, build: Revision) -> str:
        """Return where a revision is reached inside the cluster, whatever its weight."""

    def endpoint(self, s: Situation) -> Endpoint | Place | Obstacle:
        """Return where the model is reached, or why it cannot be."""


BACKENDS: Mapping[str, Backend] = {
    "HTTPRoute": http_route,
    "KServeKnative": kserve_knative,
    "BlueGreen": blue_green,
}
