"""Where do a model's requests go? The weights that the status implies, and what is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mt_contract import names
from mt_operator.core.model.state import ModelStatus, Stage
from mt_operator.core.model.turn import Kind, Obstacle, Situation, backend_name
from mt_operator.core.observed import RouteView
from mt_operator.core.reasons import Reason
from mt_operator.settings import Gateway

MAX_LABEL, MAX_HOST = 63, 253  # of the DNS
# From here on a gateway knows the candidate's pods, so that its first request finds them.
LISTED = frozenset({Stage.SERVING_CHECK, Stage.CANARY, Stage.PROMOTING, Stage.ROLLING_BACK})


@dataclass(frozen=True)
class Endpoint:
    """Where a model is reached."""

    gateway: Gateway
    host: str

    @property
    def url(self) -> str:
        """Return the address that clients use."""
        port = f":{self.gateway.port}" if self.gateway.port else ""
        return f"{self.gateway.scheme}://{self.host}{port}"


def endpoint(s: Situation) -> Endpoint | Obstacle:
    """Return where the model is reached, or why it cannot be."""
    known, name = s.observed.settings.gateways, s.rollout.gateway
    if name not in known:
        listed = ", ".join(sorted(known)) or "none"
        told = (
            f"The operator's settings know no gateway {name!r}; they know: {listed}. "
            "Set spec.rollout.gateway to one of these."
        )
        return Obstacle(Kind.PERSON, Reason.UNKNOWN_GATEWAY, told)
    gateway = known[name]
    host = gateway.hostname.format(model=s.meta.name, namespace=s.meta.namespace)
    label = max(host.split("."), key=len)
    if len(label) > MAX_LABEL or len(host) > MAX_HOST:
        told = (
            f"The host name {host} has {len(host)} characters, and {len(label)} in {label!r}; a "
            f"host name may have {MAX_HOST}, and {MAX_LABEL} between two dots. Give the model or "
            "its namespace a shorter name, or ask for a gateway with a shorter host name."
        )
        return Obstacle(Kind.PERSON, Reason.HOST_NAME_TOO_LONG, told)
    return Endpoint(gateway, host)


def weights(s: Situation, status: ModelStatus) -> Mapping[str, int]:
    """Return the weight of each backend; they sum to 100, or there are none.

    A candidate that is not ready has 0, whatever its status says: that is seen at once, and its
    status follows. What has lost its traffic stays listed at 0 until it goes; what is not there is
    not listed: a gateway does nothing for a route with a Service that it cannot find.
    """
    candidate, production = status.candidate, status.production
    build = candidate.build if candidate else None
    given = candidate.weight if candidate and build and s.ready(build) else 0
    shares: dict[str, int] = {}
    if production is not None:
        shares[backend_name(s.meta, production)] = 100 - given
    if not production and not given:
        return shares
    listed = our_route(s)
    there = listed.weights if listed else {}
    if candidate and build and s.service(build):
        name = backend_name(s.meta, build)
        if given or candidate.stage in LISTED or name in there:
            shares[name] = given
    for entry in status.retiring:
        name = backend_name(s.meta, entry.build)
        if name in there and s.service(entry.build):
            shares.setdefault(name, 0)
    return shares


def in_force(s: Situation, status: ModelStatus) -> bool:
    """Return whether the gateway does what the status implies."""
    wanted, route = _positive(weights(s, status)), our_route(s)
    if not wanted:
        return names.route_name(s.meta.name) not in s.observed.routes
    return route is not None and route.in_force and _positive(route.weights) == wanted


def our_route(s: Situation) -> RouteView | None:
    """Return the model's HTTPRoute, if it is there and ours."""
    route = s.observed.routes.get(names.route_name(s.meta.name))
    return route if route is not None and route.meta.owner == s.meta.uid else None


def complaint(s: Situation) -> str:
    """Return what the gateway says of the route, if anything."""
    route = our_route(s)
    return route.message if route else ""


def _positive(shares: Mapping[str, int]) -> Mapping[str, int]:
    return {name: weight for name, weight in shares.items() if weight > 0}
