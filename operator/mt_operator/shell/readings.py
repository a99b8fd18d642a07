"""What predictors told at earlier looks: kept per model while it is watched, within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import aiohttp

from mt_contract.codec import DecodeError, parse_time
from mt_operator.core.analysis.evidence import LENGTH_RATIO
from mt_operator.core.analysis.watching import Watch, watch
from mt_operator.core.observed import Counters, Meta, PodReading, Reading, Tree
from mt_operator.settings import Settings
from mt_operator.shell.prometheus import Prometheus
from mt_operator.shell.scrape import POD_SERVICE, scrape

GAP_SECONDS = 1.0  # a model's predictors are not asked more often
LEAST, MOST = 8, 256  # readings of one model that are kept
BUDGET = 20_000  # readings of pods that are kept in all, of a few KiB each
Place = tuple[str, str]  # namespace and name of a model


@dataclass
class _Series:
    """What one watch has seen, and when it last looked."""

    watch: Watch
    readings: tuple[Reading, ...]
    at: float


@dataclass
class Readings:
    """All models that are watched just now."""

    session: aiohttp.ClientSession
    settings: Settings
    prometheus: Prometheus | None = None  # None: the platform has configured none
    clock: Callable[[], float] = time.monotonic
    _series: dict[Place, _Series] = field(default_factory=dict, init=False)

    async def read(
        self, meta: Meta, status: Tree, pods: Sequence[Tree], now: datetime
    ) -> tuple[Reading, ...]:
        """Return what a model's watch has seen, oldest first and the newest of now.

        Nothing is read, and what was read is forgotten, where there is nothing to judge.

        Args:
            meta: the model's.
            status: as stored.
            pods: of its own InferenceServices.
            now: the moment of the snapshot.
        """
        place = (meta.namespace, meta.name)
        asked = _asked(meta, status, self.settings)
        if asked is None:
            self.forget(*place)
            return ()
        kept = self._series.get(place)
        before = kept.readings if kept and kept.watch == asked else ()
        if kept and before and self.clock() - kept.at < GAP_SECONDS:
            return before
        at = self.clock()
        reading = await self._look(meta.namespace, asked, began(status) or now, pods, now)
        found = thinned((*before, reading), asked.interval, self._limit(place, reading))
        self._series[place] = _Series(asked, found, at)
        return found

    def forget(self, namespace: str, name: str) -> None:
        """End the watch of a model, if there is one."""
        self._series.pop((namespace, name), None)

    async def _look(
        self, namespace: str, asked: Watch, since: datetime, pods: Sequence[Tree], now: datetime
    ) -> Reading:
        services = sorted(set(asked.services.values()))
        theirs = [pod for pod in pods if _service(pod) in services]
        if asked.provider != "Prometheus":
            reading = await scrape(self.session, theirs, asked.revisions, now)
        elif self.prometheus is None:
            reading = Reading(now)
        else:
            found = await self.prometheus.pods(namespace, services, theirs, since, now)
            reading = Reading(now, {name: found[name] for name in asked.revisions if name in found})
        if not asked.queries or self.prometheus is None:
            return reading
        return replace(reading, queries=await self.prometheus.values(asked.queries, now))

    def _limit(self, place: Place, reading: Reading) -> int:
        """Return how many readings of a model are kept, so that all models stay in the budget."""
        others = (each.readings[-1] for key, each in self._series.items() if key != place)
        pods = sum(map(_size, (reading, *others)))
        return max(LEAST, min(MOST, BUDGET // max(1, pods)))


def began(status: Tree) -> datetime | None:
    """Return since when the candidate's evidence counts, if it does."""
    analysis = (status.get("candidate") or {}).get("analysis") or {}
    try:
        return parse_time(analysis["since"])
    except (KeyError, TypeError, ValueError):
        return None


def thinned(readings: Sequence[Reading], interval: timedelta, most: int) -> tuple[Reading, ...]:
    """Return about one reading an interval, and those that are the last to tell of a process.

    Args:
        readings: oldest first; the first and the last are kept.
        interval: the time between two that are kept; it is doubled until few enough are left.
        most: how many are kept; of more that are the last of a process, the newest.
    """
    *earlier, newest = readings
    last = _last_of_each(readings)
    kept = _spaced(earlier, interval, last)
    while len(kept) >= most and interval < timedelta(days=1):
        interval *= 2
        kept = _spaced(earlier, interval, last)
    return (*map(_short, kept[max(0, len(kept) + 1 - most) :]), newest)


def _spaced(readings: Sequence[Reading], interval: timedelta, last: set[int]) -> list[Reading]:
    kept: list[Reading] = []
    for place, reading in enumerate(readings):
        if not kept or reading.time - kept[-1].time >= interval or place in last:
            kept.append(reading)
    return kept


def _last_of_each(readings: Sequence[Reading]) -> set[int]:
    """Return which readings are the last to tell of a process."""
    last = {
        (pod.uid, pod.process): place
        for place, reading in enumerate(readings)
        for pods in reading.pods.values()
        for pod in pods
    }
    return set(last.values())


def _short(reading: Reading) -> Reading:
    """Return an earlier reading with no features but those that a judgement compares by look."""
    if not any(pod.users.features.keys() - {LENGTH_RATIO} for pod in _pods(reading)):
        return reading
    pods = {
        revision: tuple(replace(pod, users=_without_features(pod.users)) for pod in there)
        for revision, there in reading.pods.items()
    }
    return replace(reading, pods=pods)


def _without_features(counters: Counters) -> Counters:
    features: Mapping[str, Mapping[str, int]] = {
        name: buckets for name, buckets in counters.features.items() if name == LENGTH_RATIO
    }
    return replace(counters, features=features)


def _pods(reading: Reading) -> tuple[PodReading, ...]:
    return tuple(pod for pods in reading.pods.values() for pod in pods)


def _size(reading: Reading) -> int:
    return max(1, len(_pods(reading)))


def _service(pod: Tree) -> str:
    return str((pod["metadata"].get("labels") or {}).get(POD_SERVICE, ""))


def _asked(meta: Meta, status: Tree, settings: Settings) -> Watch | None:
    try:
        return watch(meta, status, settings)
    except DecodeError:  # the decision says what is wrong with the status
        return None
