"""Is there a reason why nothing new may start? What serves goes on serving all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mt_contract import names
from mt_operator.core.children.probe_job import probe_job_name
from mt_operator.core.model.routing import endpoint
from mt_operator.core.model.state import ModelStatus, Revision
from mt_operator.core.model.trigger import outstanding
from mt_operator.core.model.turn import Kind, Obstacle, Situation, service_name
from mt_operator.core.observed import JobView, RouteView, RunView, ServiceView
from mt_operator.core.reasons import Reason
from mt_operator.core.supported import unsupported_message

View = ServiceView | RouteView | JobView | RunView


def obstacle(s: Situation, status: ModelStatus) -> Obstacle | None:
    """Return the first reason why nothing new may start."""
    refused = unsupported_message(s.spec)
    if refused:
        return Obstacle(Kind.PERSON, Reason.NOT_SUPPORTED_YET, refused)
    where = endpoint(s)
    if isinstance(where, Obstacle):
        return where
    taken = _name_taken(s, status)
    if taken:
        return Obstacle(Kind.PERSON, Reason.NAME_TAKEN, taken)
    return _missing_in_cluster(s) or _suspended(s)


def builds(status: ModelStatus) -> tuple[Revision, ...]:
    """Return the revisions whose pods the status implies."""
    candidate = status.candidate
    trying = (candidate.build,) if candidate and candidate.build else ()
    serving = (status.production,) if status.production else ()
    return (*serving, *trying, *(entry.build for entry in status.retiring))


def _missing_in_cluster(s: Situation) -> Obstacle | None:
    cluster = s.observed.cluster
    if not cluster.kserve:
        told = "The cluster has no InferenceService (serving.kserve.io/v1beta1): install KServe."
        return Obstacle(Kind.CLUSTER, Reason.WAITING_FOR_KSERVE, told)
    if not cluster.gateway_api:
        told = (
            "The cluster has no HTTPRoute (gateway.networking.k8s.io/v1): install the Gateway API "
            "and a gateway."
        )
        return Obstacle(Kind.CLUSTER, Reason.WAITING_FOR_GATEWAY_API, told)
    return None


def _suspended(s: Situation) -> Obstacle | None:
    if not s.spec.get("suspend"):
        return None
    told = "suspend is set: nothing new starts, a rollout stays where it is. Set it to false."
    return Obstacle(Kind.SUSPENSION, Reason.SUSPENDED, told)


def _name_taken(s: Situation, status: ModelStatus) -> str | None:
    for kind, views, name in _needed(s, status):
        view = views.get(name)
        if view is not None and view.meta.owner != s.meta.uid:
            return (
                f"{kind} {name} exists and is not this model's. Remove it or give it another "
                "name; it is left as it is."
            )
    return None


def _needed(s: Situation, status: ModelStatus) -> Iterator[tuple[str, Mapping[str, View], str]]:
    """Yield kind, views and name of every child that the status implies."""
    o, candidate, asked = s.observed, status.candidate, outstanding(status)
    for build in builds(status):
        yield "InferenceService", o.services, service_name(s.meta, build)
    if builds(status):
        yield "HTTPRoute", o.routes, names.route_name(s.meta.name)
    if candidate and candidate.build and candidate.probe:
        name = probe_job_name(s.meta, candidate.build.revision, candidate.probe.attempt)
        yield "Job", o.jobs, name
    if asked and asked.cause:
        yield "TrainingRun", s.runs, asked.run
