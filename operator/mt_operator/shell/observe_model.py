"""The snapshot of a TranslationModel: itself, its runs, its InferenceServices, route and probes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from mt_contract import names
from mt_operator.core.model.mode import BLUE_GREEN, KNATIVE
from mt_operator.core.observed import Cluster, ObservedModel, ServiceView, Tree
from mt_operator.shell.api import Object
from mt_operator.shell.knative import knative_view
from mt_operator.shell.observe import Snapshot, World, by_key, now, owned, read_jobs
from mt_operator.shell.platform import read_config, serves_knative
from mt_operator.shell.runs import run_view, runs_of
from mt_operator.shell.scrape import POD_SERVICE
from mt_operator.shell.views import front_view, meta_of, route_view, service_view

STAGES = (names.Stage.PROBE, names.Stage.TRAFFIC)  # of the model's own Jobs


async def observe_model(world: World, namespace: str, name: str) -> Snapshot | None:
    """Return the model as it is now; None where there is nothing to decide: it is gone or going."""
    raw = await world.api.get(names.MODEL_KIND, namespace, name)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return None
    meta, status = meta_of(raw), raw.get("status") or {}
    route = names.route_name(name)
    work = f"{names.LABEL_MODEL}={name},{names.LABEL_STAGE} in ({','.join(STAGES)})"
    runs, services, routes, (jobs, views) = await asyncio.gather(
        runs_of(world.api, namespace, name),
        world.api.list("InferenceService", namespace, labels=f"{names.LABEL_MODEL}={name}"),
        world.api.list("HTTPRoute", namespace, fields=f"metadata.name={route}"),
        read_jobs(world, namespace, work, meta.uid),
    )
    mine, ours = owned(services or (), meta.uid), owned(routes or (), meta.uid)
    pods, revisions, fronts = await asyncio.gather(
        _pods(world, namespace, mine),
        _revisions(world, namespace, name, status),
        _fronts(world, namespace, name, status),
    )
    fronts, moment = owned(fronts, meta.uid), now()
    offers = Cluster(services is not None, routes is not None, knative=revisions is not None)
    observed = ObservedModel(
        now=moment,
        meta=meta,
        spec=raw.get("spec") or {},
        status=status,
        settings=world.settings,
        cluster=await _cluster(world, offers, status, mine),
        runs=tuple(map(run_view, runs)),
        services=_service_views(mine, pods, revisions),
        routes={view.meta.name: view for view in map(route_view, ours)},
        fronts={view.meta.name: view for view in map(front_view, fronts)},
        jobs=views,
        readings=await world.readings.read(meta, status, pods, moment),
    )
    children = {
        **by_key(names.RUN_KIND, runs),
        **by_key("InferenceService", mine),
        **by_key("HTTPRoute", ours),
        **by_key("Service", fronts),
        **by_key("Job", jobs),
    }
    return Snapshot(raw, observed, children)


async def _pods(world: World, namespace: str, services: Sequence[Object]) -> Sequence[Object]:
    """Return the predictors' pods of these InferenceServices."""
    if not services:
        return ()
    selector = f"{POD_SERVICE} in ({','.join(sorted(map(_name, services)))})"
    return await world.api.list("Pod", namespace, labels=selector) or ()


async def _revisions(
    world: World, namespace: str, model: str, status: Tree
) -> Sequence[Object] | None:
    """Return Knative's revisions of the model, in Knative mode; None where there is no Knative."""
    if status.get("trafficBackend") != KNATIVE:
        return None
    selector = f"{POD_SERVICE}={names.shared_service_name(model)}"
    return await world.api.list("Revision", namespace, labels=selector)


async def _fronts(world: World, namespace: str, model: str, status: Tree) -> Sequence[Object]:
    """Return the Service in front of a model whose traffic cannot be split."""
    if status.get("trafficBackend") != BLUE_GREEN:
        return ()
    fields = f"metadata.name={names.route_name(model)}"
    return await world.api.list("Service", namespace, fields=fields) or ()


async def _cluster(
    world: World, offers: Cluster, status: Tree, services: Sequence[Object]
) -> Cluster:
    """Return what the cluster offers; all of it is asked only before it is decided upon."""
    if status.get("trafficBackend") and (services or not offers.knative):
        return offers
    knative = await serves_knative(world.api)
    mode, gateway = await read_config(world.api)
    return replace(offers, knative=knative, default_mode=mode, gateway_enabled=gateway)


def _service_views(
    services: Sequence[Object], pods: Sequence[Object], revisions: Sequence[Object] | None
) -> dict[str, ServiceView]:
    by_service: dict[str, list[Object]] = {}
    for pod in pods:
        by_service.setdefault(pod["metadata"]["labels"][POD_SERVICE], []).append(pod)
    found: dict[str, ServiceView] = {}
    for service in services:
        theirs = by_service.get(_name(service), [])
        view = service_view(service, theirs)
        knative = None if revisions is None else knative_view(service, revisions, theirs)
        found[_name(service)] = replace(view, knative=knative)
    return found


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])
