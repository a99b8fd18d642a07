"""Snapshots: what a decision reads, taken live, and what the applier needs to carry it out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from mt_contract import names
from mt_operator.core.observed import JobView, ObservedModel, ObservedRun
from mt_operator.settings import Settings
from mt_operator.shell.api import Api, Object
from mt_operator.shell.nodes import by_index
from mt_operator.shell.progress import read_progress
from mt_operator.shell.readings import Readings
from mt_operator.shell.views import job_view, meta_of, oldest_first, owner_of

Observed = ObservedRun | ObservedModel
ChildKey = tuple[str, str]  # kind, name
JOB_UID = "batch.kubernetes.io/controller-uid"


@dataclass(frozen=True)
class World:
    """Where snapshots are taken from."""

    api: Api
    pods: aiohttp.ClientSession  # for what trainers and predictors tell
    settings: Settings
    readings: Readings  # of what is being rolled out


@dataclass(frozen=True)
class Snapshot:
    """One object at one resource version, and its children as they were read."""

    raw: Object
    observed: Observed
    children: Mapping[ChildKey, Object] = field(default_factory=dict)


def now() -> datetime:
    """Return the time as decisions see it: UTC, whole seconds, as it is stored."""
    return datetime.now(UTC).replace(microsecond=0)


def owned(found: Iterable[Object], uid: str) -> list[Object]:
    """Return those objects whose controlling owner has this UID."""
    return [each for each in found if owner_of(each) == uid]


def by_key(kind: str, found: Iterable[Object]) -> dict[ChildKey, Object]:
    """Return objects by kind and name."""
    return {(kind, each["metadata"]["name"]): each for each in found}


async def read_jobs(
    world: World, namespace: str, selector: str, uid: str
) -> tuple[list[Object], dict[str, JobView]]:
    """Return the Jobs that match and that ``uid`` owns, and what they and their pods tell."""
    jobs = owned(await world.api.list("Job", namespace, labels=selector) or (), uid)
    uids = sorted(job["metadata"]["uid"] for job in jobs)
    pods: Sequence[Object] = ()
    if uids:
        theirs = f"{JOB_UID} in ({','.join(uids)})"
        pods = await world.api.list("Pod", namespace, labels=theirs) or ()
    views = await asyncio.gather(*(_view(world, job, pods) for job in jobs))
    return jobs, {view.meta.name: view for view in views}


async def _view(world: World, job: Object, pods: Iterable[Object]) -> JobView:
    mine = owned(pods, meta_of(job).uid)
    view = job_view(job, mine)
    if not view.running or view.meta.labels.get(names.LABEL_STAGE) != names.Stage.TRAIN:
        return view
    first = by_index(oldest_first(mine))[0][-1]  # of several, it alone knows how far they are
    return job_view(job, mine, await read_progress(world.pods, first))
