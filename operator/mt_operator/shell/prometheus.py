"""Predictors' counters and named queries, from the Prometheus of the operator's settings.

A series is a pod's, whatever process serves in it, and outlives both. So one question asks for the
last value of each counter since the evidence began; where a pod's process began anew meanwhile,
further ones ask for the values that the earlier process ended with.

Series need the labels ``namespace`` and ``pod``, as PodMonitors and the usual relabelings set them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import aiohttp

from mt_operator.core.observed import PodReading, Tree
from mt_operator.shell import counters
from mt_operator.shell.counters import MalformedError, Sample, Told
from mt_operator.shell.fetch import FetchError, SilentError, fetch
from mt_operator.shell.scrape import labelled, restarts_of
from mt_operator.shell.views import is_ready

log = logging.getLogger(__name__)
SECONDS, MAX_BYTES = 5.0, 8 << 20
AT_LEAST = timedelta(minutes=5)  # how far back a question goes: several scrapes
POD_NAME = 58  # characters of a pod's name that tell whose it is; what follows is random
MAX_EARLIER = 16  # processes that ended meanwhile; the newest count
_COUNTERS = f'__name__=~"{"|".join(sorted(counters.NAMES))}"'

Queries = Mapping[str, Mapping[str, str]]  # PromQL by name and revision


class Target(NamedTuple):
    """What is scraped: a pod, by one of perhaps several scrape jobs."""

    pod: str
    instance: str
    job: str


@dataclass
class Prometheus:
    """A Prometheus that may be away: then nothing is read, and that is told once."""

    session: aiohttp.ClientSession
    url: str
    failed: Callable[[], None] = lambda: None  # counts
    clock: Callable[[], float] = time.monotonic
    silence: tuple[float, str] = field(default=(-math.inf, ""), init=False)  # until when, and why
    problems: dict[str, str] = field(default_factory=dict, init=False)  # by what was asked for

    async def pods(
        self,
        namespace: str,
        services: Sequence[str],
        pods: Sequence[Tree],
        since: datetime,
        now: datetime,
    ) -> Mapping[str, tuple[PodReading, ...]]:
        """Return by revision what the pods of these InferenceServices have counted, gone or not.

        Each process is told of as if it were a pod of its own: one that ended keeps its counts.

        Args:
            namespace: of the InferenceServices.
            services: their names, which their pods' names begin with.
            pods: that are there now, for what the kubelet counts.
            since: what ended before this moment is left out.
            now: the moment of the answer.
        """
        window = Window(f'namespace="{namespace}"', since, now)
        try:
            told = await self._told(window, of_services(services))
        except (FetchError, MalformedError) as error:
            self._away("counters", str(error))
            return {}
        self._back("counters")
        return by_revision(told, pods)

    async def values(self, queries: Queries, now: datetime) -> Mapping[str, Mapping[str, float]]:
        """Return the number that each query gives for each revision, where it gives one."""
        asked = [(name, each) for name, by in queries.items() for each in by]
        answers = await asyncio.gather(
            *(self._value(name, queries[name][revision], now) for name, revision in asked)
        )
        found: dict[str, dict[str, float]] = {}
        for (name, revision), value in zip(asked, answers, strict=True):
            if value is not None:
                found.setdefault(name, {})[revision] = value
        return found

    async def _value(self, name: str, promql: str, now: datetime) -> float | None:
        try:
            value = single(await self._ask(promql, now.timestamp()))
        except (FetchError, MalformedError) as error:
            self._away(f"query {name}", str(error))
            return None
        self._back(f"query {name}")
        return value

    async def _told(self, window: Window, pods: str) -> dict[tuple[str, str], Told]:
        """Return what each process of each pod said last."""
        moment = window.now.timestamp()
        newest, anew = await asyncio.gather(
            self._ask(window.last(_COUNTERS, pods, until=moment), moment),
            self._ask(f"changes({window.processes(pods)}) > 0", moment),
        )
        told = by_process(newest)
        names = sorted({target(series).pod for series in anew})
        if names:
            matrix = await self._ask(window.processes(f'pod=~"{"|".join(names)}"'), moment)
            ends = sorted(earlier(matrix), key=lambda end: -end[1])[:MAX_EARLIER]
            for answer in await asyncio.gather(*(self._at(window, *end) for end in ends)):
                told = by_process(answer) | told
        return told

    async def _at(self, window: Window, pod: str, moment: float) -> list[Tree]:
        return await self._ask(window.last(_COUNTERS, f'pod="{pod}"', until=moment), moment)

    async def _ask(self, promql: str, moment: float) -> list[Tree]:
        form = {"query": promql, "time": f"{moment:.3f}", "timeout": f"{SECONDS:g}s"}
        url = f"{self.url.rstrip('/')}/api/v1/query"
        until, why = self.silence
        if self.clock() < until:
            raise FetchError(why)
        try:
            data = await fetch(self.session, url, SECONDS, form=form, max_bytes=MAX_BYTES)
        except SilentError as error:  # other models must not wait for the same
            self.silence = (self.clock() + 2 * SECONDS, str(error))
            raise
        return decoded(data)

    def _away(self, what: str, problem: str) -> None:
        self.failed()
        if problem != self.problems.get(what):
            log.warning("Prometheus at %s tells nothing of %s: %s", self._place, what, problem)
        self.problems[what] = problem

    def _back(self, what: str) -> None:
        if self.problems.pop(what, None):
            log.info("Prometheus at %s tells of %s again", self._place, what)

    @property
    def _place(self) -> str:
        """Return the address without what may be a password."""
        return re.sub(r"//[^/]*@", "//", self.url)


@dataclass(frozen=True)
class Window:
    """The time that is asked about, and where."""

    scope: str  # a matcher
    since: datetime
    now: datetime

    def last(self, *matchers: str, until: float) -> str:
        """Return the question for the last value of each series up to a moment."""
        seconds = max(self._seconds(until), 1)
        return f"last_over_time({{{','.join((*matchers, self.scope))}}}[{seconds}s])"

    def processes(self, pods: str) -> str:
        """Return the range of the moments at which pods' processes started."""
        seconds = self._seconds(self.now.timestamp())
        return f"{counters.PROCESS}{{{pods},{self.scope}}}[{seconds}s]"

    def _seconds(self, until: float) -> int:
        began = min(self.since, self.now - AT_LEAST)
        return math.ceil(until - began.timestamp())


def of_services(services: Iterable[str]) -> str:
    """Return the matcher of the pods of InferenceServices, whose names Kubernetes may cut."""
    names = sorted(f"{service}-predictor-"[:POD_NAME] for service in services)
    return f'pod=~"({"|".join(names)}).*"'


def decoded(data: bytes) -> list[Tree]:
    """Return the series of an answer; a scalar is one series without labels.

    Raises:
        MalformedError: it is no answer of a Prometheus, or one that tells of an error.
    """
    try:
        answer = json.loads(data)
        if answer["status"] != "success":
            raise MalformedError(str(answer.get("error") or "an answer without success"))
        result = answer["data"]["result"]
        if answer["data"]["resultType"] == "scalar":
            return [{"metric": {}, "value": result}]
        return [dict(series) for series in result]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedError(f"no answer of a Prometheus ({error})") from error


def target(series: Tree) -> Target:
    """Return whose series this is."""
    labels = series["metric"]
    return Target(*(str(labels.get(name, "")) for name in Target._fields))


def by_process(result: Iterable[Tree]) -> dict[tuple[str, str], Told]:
    """Return what each process said, by pod and process, of an instant vector of all counters.

    Raises:
        MalformedError: a value is no number, or no count.
    """
    samples: dict[Target, list[Sample]] = {}
    for series in result:
        labels = series["metric"]
        sample = Sample(labels.get("__name__", ""), labels, _number(series["value"]))
        samples.setdefault(target(series), []).append(sample)
    found: dict[tuple[str, str], Told] = {}
    for where, theirs in samples.items():
        told = counters.told(theirs)
        key = (where.pod, told.process)
        if told.revision and (key not in found or _more(told, found[key])):
            found[key] = told
    return found


def by_revision(
    told: Mapping[tuple[str, str], Told], pods: Sequence[Tree]
) -> Mapping[str, tuple[PodReading, ...]]:
    """Return what processes told, and the kubelet's restarts with the newest process of a pod.

    Args:
        told: by pod and process.
        pods: that are there now; one that is not scraped yet is there with its restarts alone.
    """
    restarts = {str(pod["metadata"]["name"]): restarts_of(pod) for pod in pods}
    newest = dict(sorted(told, key=lambda key: float(key[1] or 0)))
    known = Counter(pod for pod, _ in told)
    found: dict[str, list[PodReading]] = {}
    for (name, process), each in sorted(told.items()):
        ended = max(restarts.get(name, 0), known[name] - 1) if newest[name] == process else 0
        reading = PodReading(f"{name}/{process}", process, ended, each.users, each.synthetic)
        found.setdefault(each.revision, []).append(reading)
    for pod in pods:
        name, revision = str(pod["metadata"]["name"]), labelled(pod)
        if name not in newest and revision and (restarts[name] or is_ready(pod)):
            found.setdefault(revision, []).append(PodReading(name, "", restarts[name]))
    return {revision: tuple(there) for revision, there in found.items()}


def earlier(matrix: Iterable[Tree]) -> Iterator[tuple[str, float]]:
    """Return the pod and the last moment of each process that another one followed."""
    for series in matrix:
        for (moment, started), (_, following) in pairwise(series["values"]):
            if started != following:
                yield target(series).pod, float(moment)


def single(result: Sequence[Tree]) -> float | None:
    """Return the number that a query gave; None where it gave none.

    Raises:
        MalformedError: it gave several.
    """
    if len(result) > 1:
        raise MalformedError(f"{len(result)} series instead of one number: aggregate, as with sum")
    value = _number(result[0]["value"]) if result else math.nan
    return value if math.isfinite(value) else None


def _number(value: Any) -> float:
    try:
        return float(value[1])
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise MalformedError(f"{value!r} is no sample") from error


def _more(one: Told, other: Told) -> bool:
    return sum(one.users.codes.values()) > sum(other.users.codes.values())
