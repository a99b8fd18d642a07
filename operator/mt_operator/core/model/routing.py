"""Where do a model's requests go? The weights that the status implies, and what is in force."""

from __future__ import annotations

from collections.abc import Mapping

from mt_operator.core.model.backends import BACKENDS, Backend, http_route
from mt_operator.core.model.endpoint import Endpoint, Place
from mt_operator.core.model.state import ModelStatus, Revision
from mt_operator.core.model.turn import Obstacle, Situation
from mt_operator.core.observed import RouteView


def backend(s: Situation) -> Backend:
    """Return how this model is served and its requests are split."""
    return BACKENDS[s.backend]


def endpoint(s: Situation) -> Endpoint | Place | Obstacle:
    """Return where the model is reached, or why it cannot be."""
    return backend(s).endpoint(s)


def weights(s: Situation, status: ModelStatus) -> Mapping[str, int]:
    """Return the weight of each backend; they sum to 100, or there are none.

    A candidate that is not ready has 0, whatever its status says: that is seen at once, and its
    status follows.
    """
    return backend(s).weights(s, status)


def in_force(s: Situation, status: ModelStatus) -> bool:
    """Return whether requests go where the status implies."""
    wanted = _positive(weights(s, status))
    if not wanted:
        return not s.traffic.led
    return s.traffic.settled and _positive(s.traffic.weights) == wanted


def complaint(s: Situation) -> str:
    """Return why requests do not go where they should, if the cluster says so."""
    return s.traffic.complaint


def our_route(s: Situation) -> RouteView | None:
    """Return the model's HTTPRoute, if it is there and ours."""
    return http_route.our_route(s.observed)


def dark_host(s: Situation, build: Revision) -> str:
    """Return where a revision is reached inside the cluster, whatever its weight."""
    return backend(s).dark_host(s, build)


def _positive(shares: Mapping[str, int]) -> Mapping[str, int]:
    return {name: weight for name, weight in shares.items() if weight > 0}
