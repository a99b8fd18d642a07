"""The snapshot of a TranslationModel: itself, its runs, its InferenceServices, route and probes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mt_contract import names
from mt_operator.core.observed import Cluster, ObservedModel, ServiceView
from mt_operator.shell.api import Object
from mt_operator.shell.observe import Snapshot, World, by_key, now, owned, read_jobs
from mt_operator.shell.runs import run_view, runs_of
from mt_operator.shell.scrape import POD_SERVICE
from mt_operator.shell.views import meta_of, route_view, service_view


async def observe_model(world: World, namespace: str, name: str) -> Snapshot | None:
    """Return the model as it is now; None where there is nothing to decide: it is gone or going."""
    raw = await world.api.get(names.MODEL_KIND, namespace, name)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return None
    meta, status = meta_of(raw), raw.get("status") or {}
    route = names.route_name(name)
    probes = f"{names.LABEL_MODEL}={name},{names.LABEL_STAGE}={names.Stage.PROBE}"
    runs, services, routes, (jobs, views) = await asyncio.gather(
        runs_of(world.api, namespace, name),
        world.api.list("InferenceService", namespace, labels=f"{names.LABEL_MODEL}={name}"),
        world.api.list("HTTPRoute", namespace, fields=f"metadata.name={route}"),
        read_jobs(world, namespace, probes, meta.uid),
    )
    mine, ours = owned(services or (), meta.uid), owned(routes or (), meta.uid)
    pods, moment = await _pods(world, namespace, mine), now()
    observed = ObservedModel(
        now=moment,
        meta=meta,
        spec=raw.get("spec") or {},
        status=status,
        settings=world.settings,
        cluster=Cluster(kserve=services is not None, gateway_api=routes is not None),
        runs=tuple(map(run_view, runs)),
        services=_service_views(mine, pods),
        routes={view.meta.name: view for view in map(route_view, ours)},
        jobs=views,
        readings=await world.readings.read(meta, status, pods, moment),
    )
    children = {
        **by_key(names.RUN_KIND, runs),
        **by_key("InferenceService", mine),
        **by_key("HTTPRoute", ours),
        **by_key("Job", jobs),
    }
    return Snapshot(raw, observed, children)


async def _pods(world: World, namespace: str, services: Sequence[Object]) -> Sequence[Object]:
    """Return the predictors' pods of these InferenceServices."""
    if not services:
        return ()
    selector = f"{POD_SERVICE} in ({','.join(sorted(map(_name, services)))})"
    return await world.api.list("Pod", namespace, labels=selector) or ()


def _service_views(services: Sequence[Object], pods: Sequence[Object]) -> dict[str, ServiceView]:
    by_service: dict[str, list[Object]] = {}
    for pod in pods:
        by_service.setdefault(pod["metadata"]["labels"][POD_SERVICE], []).append(pod)
    return {
        _name(service): service_view(service, by_service.get(_name(service), ()))
        for service in services
    }


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])
