"""KServe's Standard mode: an InferenceService for each revision, with pods of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mt_operator.core.children.inference_service import inference_service, service_change
from mt_operator.core.model.state import ModelStatus, Revision
from mt_operator.core.model.traffic import Serving
from mt_operator.core.model.turn import Situation, backend_name, service_name
from mt_operator.core.observed import ObservedModel
from mt_operator.core.plan import Child

KIND = "InferenceService"


def serving(o: ObservedModel) -> Mapping[str, Serving]:
    """Return the predictor of each revision whose InferenceService is there to stay, and ours.

    KServe takes its Ready back while an autoscaler, or a next step, adds pods: those that are there
    answer all the same.
    """
    prefix = f"{o.meta.name}-"
    return {
        name.removeprefix(prefix): Serving(
            view.ready or view.ready_replicas > 0, view.ready_replicas, view.waiting, view.ready
        )
        for name, view in o.services.items()
        if name.startswith(prefix) and view.meta.owner == o.meta.uid and not view.meta.deleting
    }


def services(s: Situation, status: ModelStatus) -> Iterator[Child]:
    """Yield the InferenceServices that are missing or not as they should be."""
    if not s.observed.cluster.kserve:
        return
    candidate, production = status.candidate, status.production
    wanted = [(production, 0)] if production else []
    if candidate and candidate.build:
        wanted.append((candidate.build, candidate.replicas))
    for build, replicas in wanted:
        view = s.observed.services.get(service_name(s.meta, build))
        if view is not None and view.meta.owner != s.meta.uid:
            continue
        desired = inference_service(s.meta, build, replicas, s.observed.settings)
        change = service_change(desired, view)
        if change is not None:
            yield change


def claims(s: Situation, revisions: Iterable[Revision]) -> tuple[tuple[str, str], ...]:
    """Return the names of their InferenceServices."""
    return tuple((KIND, service_name(s.meta, build)) for build in revisions)


def host(s: Situation, build: Revision) -> str:
    """Return the host of the revision's own Service, inside the cluster."""
    return f"{backend_name(s.meta, build)}.{s.meta.namespace}.svc.cluster.local"
