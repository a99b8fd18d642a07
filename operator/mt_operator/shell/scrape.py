"""Predictors read directly: the metrics port of pods under our own InferenceServices."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import aiohttp

from mt_contract import names
from mt_operator.core.observed import PodReading, Reading, Tree
from mt_operator.shell import counters, fetch
from mt_operator.shell.counters import MalformedError, Told
from mt_operator.shell.fetch import FetchError, address_of
from mt_operator.shell.views import is_ready

POD_SERVICE = "serving.kserve.io/inferenceservice"  # KServe's label on a predictor's pods
AT_ONCE = 32  # pods of one model that are asked at the same time


async def scrape(
    session: aiohttp.ClientSession, pods: Sequence[Tree], revisions: Collection[str], now: datetime
) -> Reading:
    """Return what the pods that serve ``revisions`` answer now.

    A pod that does not answer is there without process and counters where it was started anew, or
    where users may reach it; one that is only just starting is left out.
    """
    gate, loop = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop()
    last = (
        loop.time() + 2 * fetch.POD_SECONDS
    )  # pods that do not answer must not delay others' looks

    async def ask(pod: Tree) -> Told | None:
        async with gate:
            return await _told(session, pod) if loop.time() < last else None

    return Reading(now, by_revision(pods, await asyncio.gather(*map(ask, pods)), revisions))


def by_revision(
    pods: Sequence[Tree], answers: Iterable[Told | None], revisions: Collection[str]
) -> Mapping[str, tuple[PodReading, ...]]:
    """Return the pods by the revision that they say they serve, or else that their label names."""
    found: dict[str, list[PodReading]] = {}
    for pod, answer in zip(pods, answers, strict=True):
        revision = (answer.revision if answer else "") or labelled(pod)
        restarts = restarts_of(pod)
        if revision in revisions and (answer or restarts or is_ready(pod)):
            told = answer or Told()
            uid = str(pod["metadata"]["uid"])
            process = told.process or (started(pod) if answer else "")
            reading = PodReading(uid, process, restarts, told.users, told.synthetic)
            found.setdefault(revision, []).append(reading)
    return {revision: tuple(there) for revision, there in sorted(found.items())}


def labelled(pod: Tree) -> str:
    """Return the revision that a pod's label names; empty if there is none."""
    return str((pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION, ""))


def restarts_of(pod: Tree) -> int:
    """Return how often the kubelet has started containers of the pod anew."""
    return sum(int(status.get("restartCount") or 0) for status in _containers(pod))


def started(pod: Tree) -> str:
    """Return a name for the processes in a pod, where its program tells none of its own."""
    states = ((status.get("state") or {}).get("running") or {} for status in _containers(pod))
    return max((str(state.get("startedAt", "")) for state in states), default="") or "running"


async def _told(session: aiohttp.ClientSession, pod: Tree) -> Told | None:
    address = address_of(pod)
    if address is None:
        return None
    url = f"http://{address}:{_port(pod)}/metrics"
    try:
        data = await fetch.fetch(session, url, fetch.POD_SECONDS)
        return counters.told(counters.parse(data.decode(errors="replace")))
    except (FetchError, MalformedError):
        return None


def _port(pod: Tree) -> int:
    """Return where a predictor's metrics are: beside Knative's proxy, which has the usual port."""
    there = (pod.get("spec") or {}).get("containers") or ()
    proxied = any(container.get("name") == "queue-proxy" for container in there)
    return names.HTTP_PORT if proxied else names.METRICS_PORT


def _containers(pod: Tree) -> Sequence[Mapping[str, Any]]:
    return (pod.get("status") or {}).get("containerStatuses") or ()
