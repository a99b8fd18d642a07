"""Backend HTTPRoute: an InferenceService for each revision, and one HTTPRoute with weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mt_contract import names
from mt_contract.codec import parse_duration
from mt_operator.core.children.http_route import TIMEOUT, http_route, route_change
from mt_operator.core.model.backends import standard
from mt_operator.core.model.builds import builds
from mt_operator.core.model.endpoint import Endpoint, through_gateway
from mt_operator.core.model.state import ModelStatus, Revision, Stage
from mt_operator.core.model.traffic import Traffic
from mt_operator.core.model.turn import Obstacle, Situation, backend_name
from mt_operator.core.observed import ObservedModel, RouteView
from mt_operator.core.plan import Child

KIND = "HTTPRoute"
# Later on a gateway knows the candidate's pods, so that its first request finds them.
UNLISTED = frozenset({Stage.TRAINING, Stage.EVALUATING, Stage.DEPLOYING})


def observe(o: ObservedModel) -> Traffic:
    """Return what InferenceServices and the route tell."""
    route = our_route(o)
    return Traffic(
        serving=standard.serving(o),
        weights=route.weights if route else {},
        settled=route is not None and route.in_force,
        led=names.route_name(o.meta.name) in o.routes,
        complaint=route.message if route else "",
    )


def weights(s: Situation, status: ModelStatus) -> Mapping[str, int]:
    """Return the weight of each predictor's Service; they sum to 100, or there are none.

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
    there = s.traffic.weights
    if candidate and build and s.service(build):
        name = backend_name(s.meta, build)
        if given or candidate.stage not in UNLISTED or name in there:
            shares[name] = given
    for entry in status.retiring:
        name = backend_name(s.meta, entry.build)
        if name in there and s.service(entry.build):
            shares.setdefault(name, 0)
    return shares


def children(s: Situation, status: ModelStatus) -> tuple[Child, ...]:
    """Return the InferenceServices and the route, as far as they differ."""
    return (*standard.services(s, status), *_route(s, status))


def claims(s: Situation, status: ModelStatus) -> tuple[tuple[str, str], ...]:
    """Return the names of an InferenceService for each revision, and of the route."""
    revisions = builds(status)
    route = ((KIND, names.route_name(s.meta.name)),) if revisions else ()
    return (*standard.claims(s, revisions), *route)


def needs(s: Situation, status: ModelStatus) -> tuple[tuple[str, str], ...]:
    """Return all of these, but the route only where it leads somewhere."""
    route = (KIND, names.route_name(s.meta.name))
    return tuple(each for each in claims(s, status) if each != route or weights(s, status))


def dark_host(s: Situation, build: Revision) -> str:
    """Return the host of the revision's own Service."""
    return standard.host(s, build)


def endpoint(s: Situation) -> Endpoint | Obstacle:
    """Return the host that the gateway gives the model, or why it cannot."""
    return through_gateway(s)


def our_route(o: ObservedModel) -> RouteView | None:
    """Return the model's HTTPRoute, if it is there and ours."""
    route = o.routes.get(names.route_name(o.meta.name))
    return route if route is not None and route.meta.owner == o.meta.uid else None


def _route(s: Situation, status: ModelStatus) -> Iterator[Child]:
    where, shares = through_gateway(s), weights(s, status)
    view = s.observed.routes.get(names.route_name(s.meta.name))
    if not shares or not isinstance(where, Endpoint) or not s.observed.cluster.gateway_api:
        return
    if view is not None and view.meta.owner != s.meta.uid:
        return
    timeout = builds(status)[0].serving.get("timeout")
    limit = parse_duration(timeout) if timeout else TIMEOUT
    change = route_change(http_route(s.meta, where.gateway, where.host, shares, limit), view)
    if change is not None:
        yield change
