"""The snapshot of a TranslationModel: itself, its runs, its InferenceServices, route and probes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mt_contract import names
from mt_operator.core.observed import Cluster, ObservedModel, ServiceView
from mt_operator.shell.api import Object
from mt_operator.shell.observe import Snapshot, World, by_key, now, owned, read_jobs
from mt_operator.shell.runs import run_view, runs_of
from mt_operator.shell.views import meta_of, route_view, service_view

POD_SERVICE = "serving.kserve.io/inferenceservice"  # KServe's label on a predictor's pods


async def observe_model(world: World, namespace: str, name: str) -> Snapshot | None:
    """Return the model as it is now; None where there is nothing to decide: it is gone or going."""
    raw = await world.api.get(names.MODEL_KIND, namespace, name)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return None
    meta = meta_of(raw)
    route = names.route_name(name)
    probes = f"{names.LABEL_MODEL}={name},{names.LABEL_STAGE}={names.Stage.PROBE}"
    runs, services, routes, (jobs, views) = await asyncio.gather(
        runs_of(world.api, namespace, name),
        world.api.list("InferenceService", namespace, labels=f"{names.LABEL_MODEL}={name}"),
        world.api.list("HTTPRoute", namespace, fields=f"metadata.name={route}"),
        read_jobs(world, namespace, probes, meta.uid),
    )
    mine, ours = owned(services or (), meta.uid), owned(routes or (), meta.uid)
    observed = ObservedModel(
        now=now(),
        meta=meta,
        spec=raw.get("spec") or {},
        status=raw.get("status") or {},
        settings=world.settings,
        cluster=Cluster(kserve=services is not None, gateway_api=routes is not None),
        runs=tuple(map(run_view, runs)),
        services=await _service_views(world, namespace, mine),
        routes={view.meta.name: view for view in map(route_view, ours)},
        jobs=views,
    )
    children = {
        **by_key(names.RUN_KIND, runs),
        **by_key("InferenceService", mine),
        **by_key("HTTPRoute", ours),
        **by_key("Job", jobs),
    }
    return Snapshot(raw, observed, children)


async def _service_views(
    world: World, namespace: str, services: Sequence[Object]
) -> dict[str, ServiceView]:
    if not services:
        return {}
    selector = f"{POD_SERVICE} in ({','.join(sorted(map(_name, services)))})"
    pods = await world.api.list("Pod", namespace, labels=selector) or ()
    by_service: dict[str, list[Object]] = {}
    for pod in pods:
        by_service.setdefault(pod["metadata"]["labels"][POD_SERVICE], []).append(pod)
    return {
        _name(service): service_view(service, by_service.get(_name(service), ()))
        for service in services
    }


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])
