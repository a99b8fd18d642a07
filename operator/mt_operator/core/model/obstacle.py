"""Is there a reason why nothing new may start? What serves goes on serving all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mt_operator.core.children.probe_job import probe_job_name
from mt_operator.core.model import routing
from mt_operator.core.model.backends import BACKENDS
from mt_operator.core.model.builds import builds
from mt_operator.core.model.mode import chosen
from mt_operator.core.model.platform import platform_lacks
from mt_operator.core.model.state import ModelStatus
from mt_operator.core.model.trigger import outstanding
from mt_operator.core.model.turn import Kind, Obstacle, Situation
from mt_operator.core.observed import FrontView, JobView, RouteView, RunView, ServiceView
from mt_operator.core.reasons import Reason
from mt_operator.core.supported import unsupported_message

__all__ = ["builds", "obstacle"]
View = ServiceView | FrontView | RouteView | JobView | RunView


def obstacle(s: Situation, status: ModelStatus) -> Obstacle | None:
    """Return the first reason why nothing new may start."""
    refused = unsupported_message(s.spec)
    if refused:
        return Obstacle(Kind.PERSON, Reason.NOT_SUPPORTED_YET, refused)
    mode = chosen(s, status)
    if isinstance(mode, Obstacle) and mode.kind is Kind.PERSON:
        return mode
    where = BACKENDS[mode].endpoint(s) if isinstance(mode, str) else mode
    taken = _name_taken(s, status)
    if taken:
        return Obstacle(Kind.PERSON, Reason.NAME_TAKEN, taken)
    return platform_lacks(s) or (where if isinstance(where, Obstacle) else _suspended(s))


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
    views: Mapping[str, Mapping[str, View]] = {
        "InferenceService": o.services,
        "HTTPRoute": o.routes,
        "Service": o.fronts,
    }
    for kind, name in routing.backend(s).claims(s, status):
        yield kind, views[kind], name
    if candidate and candidate.build and candidate.probe:
        name = probe_job_name(s.meta, candidate.build.revision, candidate.probe.attempt)
        yield "Job", o.jobs, name
    if asked and asked.cause:
        yield "TrainingRun", s.runs, asked.run
