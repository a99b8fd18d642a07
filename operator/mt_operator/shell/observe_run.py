"""The snapshot of a TrainingRun: itself, its model, its Jobs and their pods, its claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mt_contract import names
from mt_contract.defaults import merge
from mt_operator.core.observed import ModelView, ObservedRun, RunView, Tree
from mt_operator.core.run.baseline import LATEST_BLESSED
from mt_operator.shell.api import Object
from mt_operator.shell.observe import Snapshot, World, by_key, now, owned, read_jobs
from mt_operator.shell.runs import finished, run_view, runs_of
from mt_operator.shell.views import meta_of

_URI_KEYS = ("uri", "targetUri")


async def observe_run(world: World, namespace: str, name: str) -> Snapshot | None:
    """Return the run as it is now; None where there is nothing to decide: it is gone or going."""
    raw = await world.api.get(names.RUN_KIND, namespace, name)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return None
    meta, spec, status = meta_of(raw), raw.get("spec") or {}, raw.get("status") or {}
    model = await _model(world, namespace, spec)
    ours = f"{names.LABEL_RUN}={name}"
    jobs, views = await read_jobs(world, namespace, ours, meta.uid)
    services = await _services(world, namespace, ours, meta.uid) if _together(status) else []
    observed = ObservedRun(
        now=now(),
        meta=meta,
        spec=spec,
        status=status,
        settings=world.settings,
        model=model,
        jobs=views,
        services={each["metadata"]["name"]: meta_of(each) for each in services},
        claims={} if finished(status) else await _claims(world, namespace, spec, model),
        runs=await _siblings(world, namespace, spec, model) if not finished(status) else (),
    )
    return Snapshot(raw, observed, by_key("Job", jobs) | by_key("Service", services))


def claims_in(value: Any) -> Iterator[str]:
    """Return the claims that the locations anywhere in ``value`` name."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            if key in _URI_KEYS and isinstance(below, str):
                claim = names.claim_of(below)
                yield from [claim] if claim else []
            else:
                yield from claims_in(below)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from claims_in(item)


def _together(status: Tree) -> bool:
    """Return whether pods of this run train together, and find each other by a Service."""
    placement = (status.get("inputs") or {}).get("placement") or {}
    return bool(placement.get("nodes", 1) != 1)


async def _services(world: World, namespace: str, selector: str, uid: str) -> list[Object]:
    return owned(await world.api.list("Service", namespace, labels=selector) or (), uid)


async def _model(world: World, namespace: str, spec: Tree) -> ModelView | None:
    name = (spec.get("modelRef") or {}).get("name")
    found = await world.api.get(names.MODEL_KIND, namespace, name) if name else None
    if found is None:
        return None
    return ModelView(meta_of(found), found.get("spec") or {}, found.get("status") or {})


async def _siblings(
    world: World, namespace: str, spec: Tree, model: ModelView | None
) -> tuple[RunView, ...]:
    if model is None or not asks_of_others(spec, model.spec):
        return ()
    return tuple(map(run_view, await runs_of(world.api, namespace, model.meta.name)))


def asks_of_others(spec: Tree, model: Tree) -> bool:
    """Return whether a decision may ask what came of another run of the model.

    Args:
        spec: of the run.
        model: spec of its model, where what the run does not set comes from.
    """
    whole = merge(model, spec)
    chosen = {
        (whole.get("evaluation") or {}).get("baseline"),
        (whole.get("training") or {}).get("warmStartFrom"),
    }
    compares = "maxDivergence" in ((whole.get("data") or {}).get("checks") or {})
    return "import" in spec or LATEST_BLESSED in chosen or compares


async def _claims(
    world: World, namespace: str, spec: Tree, model: ModelView | None
) -> dict[str, bool]:
    """Return which of the claims exist that the run, or what it takes from its model, names."""
    inherited = {key: model.spec.get(key) for key in ("storage", "data")} if model else {}
    found = sorted({*claims_in(spec), *claims_in(inherited)})
    return {
        claim: await world.api.get("PersistentVolumeClaim", namespace, claim) is not None
        for claim in found
    }
