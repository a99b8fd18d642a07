"""Readings: whose pods are asked, what of their answers is kept, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from tests.operator.shell.exporter import Exporter, Handler, listening, pod, refused, showing

from mt_contract import names
from mt_contract.defaults import ANALYSIS, Images
from mt_operator.core.observed import Counters, Meta, PodReading, Reading
from mt_operator.settings import Query, Settings
from mt_operator.shell import fetch
from mt_operator.shell.readings import Readings, thinned
from mt_operator.shell.scrape import scrape

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
META = Meta("pt-en", "team-a", "u")
SETTINGS = Settings(Images("t", "p"), queries={"complaints": Query("c{r='{{revision}}'}")})
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def session() -> AsyncIterator[Any]:
    async with fetch.session() as session:
        yield session


class Pods:
    """Predictors on loopback addresses of their own, all on the metrics port."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._open = AsyncExitStack()
        self._port = 0
        self.asked: list[str] = []

    async def __aenter__(self) -> Pods:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._open.aclose()

    async def add(self, ip: str, handler: Handler) -> None:
        async def counted(request: web.Request) -> web.StreamResponse:
            self.asked.append(ip)
            return await handler(request)

        server = listening(counted, ip, port=self._port)
        self._port = await self._open.enter_async_context(server)
        self._patch.setattr(names, "METRICS_PORT", self._port)


@pytest.fixture
async def pods(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pods]:
    async with Pods(monkeypatch) as made:
        yield made


def exporter(revision: str, count: int = 1, started: float = 1.0) -> Exporter:
    made = Exporter(revision, started)
    made.answer(count)
    return made


async def test_pods_are_told_apart_by_the_revision_that_they_serve(
    session: Any, pods: Pods
) -> None:
    await pods.add("127.0.0.1", showing(exporter("r-1", 5)))
    await pods.add("127.0.0.2", showing(exporter("r-2", 6)))
    await pods.add("127.0.0.3", showing(exporter("r-2", 7)))
    await pods.add("127.0.0.4", showing(exporter("r-3", 8)))
    there = [
        pod("a", "127.0.0.1"),
        pod("b", "127.0.0.2", ready=False, restarts=2),
        pod("c", "127.0.0.3", revision="r-9"),  # one InferenceService, several revisions
        pod("d", "127.0.0.4"),
    ]
    reading = await scrape(session, there, ("r-2", "r-1"), NOW)
    assert reading.time == NOW
    assert {
        revision: [(p.uid, p.process, p.restarts, p.users.instances) for p in found]
        for revision, found in reading.pods.items()
    } == {
        "r-1": [("uid-a", "1.00", 0, 5)],
        "r-2": [("uid-b", "1.00", 2, 6), ("uid-c", "1.00", 0, 7)],
    }


async def silent(_: web.Request) -> web.Response:
    await asyncio.sleep(60)
    raise AssertionError


async def garbage(_: web.Request) -> web.Response:
    return web.Response(text="translation_instances_total -5")


async def elsewhere(_: web.Request) -> web.Response:
    raise web.HTTPFound("http://127.0.0.1:1/metrics")


async def packed(_: web.Request) -> web.Response:
    answer = web.Response(text="translation_instances_total 5\n" * 100_000)
    answer.enable_compression(web.ContentCoding.gzip)
    return answer


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(silent, id="no answer"),
        pytest.param(garbage, id="garbage"),
        pytest.param(elsewhere, id="a redirect"),
        pytest.param(packed, id="something packed"),
    ],
)
async def test_unreadable_pod_is_there_without_counters(
    handler: Handler, session: Any, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "POD_SECONDS", 0.3 if handler is silent else 10.0)
    await pods.add("127.0.0.1", handler)
    reading = await scrape(session, [pod("a", revision="r-1", restarts=1)], ("r-1",), NOW)
    if handler is packed:  # it is read as it came: nothing that a predictor says stands in it
        assert reading.pods["r-1"][0].users == Counters()
    else:
        assert reading.pods == {"r-1": (PodReading("uid-a", "", 1),)}


async def test_many_silent_pods_cost_no_more_than_a_few(
    session: Any, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "POD_SECONDS", 0.2)
    monkeypatch.setattr("mt_operator.shell.scrape.AT_ONCE", 2)
    await pods.add("127.0.0.1", silent)
    there = [pod(str(number), revision="r-1") for number in range(50)]
    reading = await scrape(session, there, ("r-1",), NOW)
    assert len(reading.pods["r-1"]) == 50
    assert len(pods.asked) <= 6


@pytest.mark.parametrize(
    ("ready", "restarts", "there"),
    [
        pytest.param(True, 0, True, id="users reach it"),
        pytest.param(False, 1, True, id="it crashed"),
        pytest.param(False, 0, False, id="it is starting"),
    ],
)
async def test_pod_that_refuses(
    ready: bool, restarts: int, there: bool, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pod("a", revision="r-1", ready=ready, restarts=restarts)
    with refused() as port:
        monkeypatch.setattr(names, "METRICS_PORT", port)
        reading = await scrape(session, [found], ("r-1",), NOW)
    assert ("r-1" in reading.pods) is there


async def test_pod_on_the_hosts_network_is_not_asked(session: Any, pods: Pods) -> None:
    await pods.add("127.0.0.1", showing(exporter("r-1")))
    host = pod("a", revision="r-1") | {"spec": {"hostNetwork": True}}
    await scrape(session, [host], ("r-1",), NOW)
    assert not pods.asked


def status(stage: str = "Canary", provider: str = "Pods", **analysis: Any) -> dict[str, Any]:
    resolved = {**ANALYSIS, "provider": provider, "interval": "10s"} | analysis
    candidate = {"revision": "r-2", "stage": stage, "rollout": {"analysis": resolved}}
    return {"production": {"revision": "r-1"}, "candidate": candidate}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_watch_is_kept_and_looks_at_most_once_a_second(session: Any, pods: Pods) -> None:
    clock, ours = Clock(), exporter("r-2")
    await pods.add("127.0.0.1", showing(ours))
    readings = Readings(session, SETTINGS, clock=clock)
    there = [pod("a", revision="r-2")]
    first = await readings.read(META, status(), there, NOW)
    assert [reading.time for reading in first] == [NOW]
    clock.now = 0.9
    assert await readings.read(META, status(), there, NOW + MINUTE) == first
    clock.now = 1.0
    ours.answer(4)
    both = await readings.read(META, status(), there, NOW + MINUTE)
    assert [reading.pods["r-2"][0].users.instances for reading in both] == [1, 5]
    assert pods.asked == ["127.0.0.1"] * 2
    changed = await readings.read(META, status(interval="20s"), there, NOW + MINUTE)
    assert len(changed) == 1
    readings.forget("team-a", "pt-en")
    assert len(await readings.read(META, status(), there, NOW)) == 1


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param({}, id="no candidate"),
        pytest.param(status("Training"), id="nothing that serves"),
        pytest.param({"candidate": {"stage": "Canary", "revision": "r-2"}}, id="no analysis"),
        pytest.param(status(interval=5), id="a status that somebody else wrote"),
    ],
)
async def test_nothing_is_read_for_nothing(
    stored: dict[str, Any], session: Any, pods: Pods
) -> None:
    clock = Clock()
    await pods.add("127.0.0.1", showing(exporter("r-2")))
    readings = Readings(session, SETTINGS, clock=clock)
    there = [pod("a", revision="r-2")]
    await readings.read(META, status(), there, NOW)
    assert await readings.read(META, stored, there, NOW) == ()
    assert len(await readings.read(META, status(), there, NOW)) == 1  # the earlier one is gone
    assert len(pods.asked) == 2


async def test_pods_of_other_services_are_not_asked(session: Any, pods: Pods) -> None:
    await pods.add("127.0.0.1", showing(exporter("r-2")))
    readings = Readings(session, SETTINGS)
    (reading,) = await readings.read(META, status(), [pod("a", revision="r-3")], NOW)
    assert not pods.asked
    assert not reading.pods


async def test_without_a_prometheus_there_is_a_reading_of_nothing(session: Any) -> None:
    readings = Readings(session, SETTINGS)
    metrics = [{"name": "complaints", "query": "complaints", "max": "3"}]
    asked = status(provider="Prometheus", metrics=metrics)
    (reading,) = await readings.read(META, asked, [pod("a", revision="r-2")], NOW)
    assert (reading.pods, reading.queries) == ({}, {})


class Store:
    """A Prometheus that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def pods(self, *asked: Any) -> dict[str, tuple[PodReading, ...]]:
        self.asked.append(asked)
        return {"r-2": (PodReading("a/1", "1"),), "r-9": (PodReading("b/1", "1"),)}

    async def values(self, queries: Any, now: datetime) -> dict[str, dict[str, float]]:
        return {name: dict.fromkeys(by, 2.5) for name, by in queries.items()}


async def test_prometheus_is_asked_since_the_evidence_began(session: Any, pods: Pods) -> None:
    store: Any = Store()
    await pods.add("127.0.0.1", showing(exporter("r-2")))
    readings = Readings(session, SETTINGS, store)
    metrics = [{"name": "complaints", "query": "complaints", "max": "3"}]
    asked = status(provider="Prometheus", metrics=metrics)
    asked["candidate"]["analysis"] = {"since": "2026-11-21T11:30:00Z"}
    there = [pod("a", revision="r-2"), pod("b", revision="r-3")]
    (reading,) = await readings.read(META, asked, there, NOW)
    services = ["pt-en-r-1", "pt-en-r-2"]
    assert store.asked == [("team-a", services, there[:1], NOW - 30 * MINUTE, NOW)]
    assert set(reading.pods) == {"r-2"}
    assert reading.queries == {"complaints": {"r-2": 2.5, "r-1": 2.5}}
    assert not pods.asked


def look(seconds: float, *processes: str, features: bool = False) -> Reading:
    counted = Counters(features={"score": {"inf": 1}, "lengthRatio": {"1": 1}} if features else {})
    pods = tuple(PodReading(f"uid-{name}", name, users=counted) for name in processes)
    return Reading(NOW + timedelta(seconds=seconds), {"r-1": pods} if pods else {})


def times(found: tuple[Reading, ...]) -> list[float]:
    return [(reading.time - NOW).total_seconds() for reading in found]


@pytest.mark.parametrize(
    ("readings", "most", "kept"),
    [
        pytest.param([look(0)], 9, [0], id="one"),
        pytest.param([look(n) for n in range(25)], 9, [0, 10, 20, 24], id="one an interval"),
        pytest.param([look(n * 10) for n in range(9)], 9, [n * 10 for n in range(9)], id="all fit"),
        pytest.param(
            [look(n * 10) for n in range(12)], 8, [0, 20, 40, 60, 80, 100, 110], id="one in two"
        ),
        pytest.param(
            [look(0, "a"), look(1, "a", "b"), look(2, "a"), look(3, "a"), look(4, "a")],
            9,
            [0, 1, 4],
            id="the last that tells of a process",
        ),
        pytest.param(
            [look(n, f"p{n}") for n in range(20)], 8, list(range(12, 20)), id="a crash loop"
        ),
    ],
)
def test_thinned(readings: list[Reading], most: int, kept: list[float]) -> None:
    assert times(thinned(readings, timedelta(seconds=10), most)) == kept


def test_earlier_readings_keep_no_features_but_those_that_are_compared_by_look() -> None:
    found = thinned([look(0, "a", features=True), look(10, "a", features=True)], MINUTE, 9)
    features = [set(reading.pods["r-1"][0].users.features) for reading in found]
    assert features == [{"lengthRatio"}, {"lengthRatio", "score"}]


async def test_all_models_share_a_budget(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mt_operator.shell.readings.BUDGET", 40)
    clock = Clock()
    readings = Readings(session, SETTINGS, clock=clock)
    lengths = []
    for number in range(60):
        clock.now += 1
        for model in ("a", "b", "c", "d"):
            meta = replace(META, name=model)
            found = await readings.read(meta, status(), [], NOW + number * MINUTE)
        lengths.append(len(found))
    assert max(lengths) == 10
