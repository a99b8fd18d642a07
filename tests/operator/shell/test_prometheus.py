"""Prometheus: one that is away or broken tells nothing, and a real one tells what pods tell."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.operator.shell.cluster import ROOT, localcluster_python
from tests.operator.shell.exporter import Exporter, listening, pod, showing
from tests.operator.shell.stage import until

from mt_contract import names
from mt_operator.core.observed import PodReading
from mt_operator.shell import fetch, prometheus
from mt_operator.shell.counters import Told
from mt_operator.shell.prometheus import Prometheus, by_revision, earlier, of_services
from mt_operator.shell.scrape import scrape

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SERVICES = ("pt-en-r-1", "pt-en-r-2")


@pytest.fixture
async def session() -> AsyncIterator[Any]:
    async with fetch.session() as session:
        yield session


def vector(*values: object) -> web.Response:
    result = [{"metric": {}, "value": [1, value]} for value in values]
    data = {"resultType": "vector", "result": result}
    return web.json_response({"status": "success", "data": data})


def answer(body: object, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


@pytest.mark.parametrize(
    ("response", "value", "problem"),
    [
        pytest.param(lambda: vector("2.5"), 2.5, "", id="a number"),
        pytest.param(lambda: vector(), None, "", id="no series"),
        pytest.param(lambda: vector("NaN"), None, "", id="nothing by nothing"),
        pytest.param(lambda: vector("+Inf"), None, "", id="something by nothing"),
        pytest.param(
            lambda: answer(
                {"status": "success", "data": {"resultType": "scalar", "result": [1, "3"]}}
            ),
            3.0,
            "",
            id="a scalar",
        ),
        pytest.param(lambda: vector("1", "2"), None, "2 series instead of one", id="two series"),
        pytest.param(
            lambda: answer({"status": "error", "error": "parse error"}, 400),
            None,
            "parse error",
            id="not PromQL",
        ),
        pytest.param(lambda: answer({"status": "error", "error": "x"}), None, ": x", id="an error"),
        pytest.param(lambda: answer([]), None, "no answer of a Prometheus", id="a list"),
        pytest.param(lambda: answer({"status": "success"}), None, "no answer", id="no data"),
        pytest.param(lambda: vector(None), None, "is no sample", id="no sample"),
        pytest.param(lambda: web.Response(text="<html>"), None, "no answer of", id="a page"),
        pytest.param(lambda: web.Response(status=503), None, "status 503", id="away"),
        pytest.param(
            lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
            None,
            "status 302",
            id="sends us elsewhere",
        ),
        pytest.param(lambda: web.Response(body=b"[" * 200_000), None, "no answer", id="nested"),
        pytest.param(lambda: web.Response(body=b" " * (9 << 20)), None, "longer than", id="huge"),
    ],
)
async def test_query(
    response: Any, value: float | None, problem: str, session: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def show(_: web.Request) -> web.Response:
        return response()

    failures: list[int] = []
    async with listening(show, path="/base/api/v1/query") as port:
        asked = Prometheus(session, f"http://127.0.0.1:{port}/base/", lambda: failures.append(1))
        for _ in range(2):
            found = await asked.values({"complaints": {"r-1": "up"}}, NOW)
            assert found == ({} if value is None else {"complaints": {"r-1": value}})
    assert len(failures) == (2 if problem else 0)
    told = [record.message for record in caplog.records if "tells nothing" in record.message]
    assert len(told) == bool(problem), "told once, not at every look"
    assert problem in "".join(told)


async def test_away_and_back_is_told_once_each(
    session: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, prometheus.__name__)
    statuses = [503, 503, 200, 200, 503]

    async def show(_: web.Request) -> web.Response:
        return vector("1") if statuses.pop(0) == 200 else web.Response(status=503)

    async with listening(show, path="/api/v1/query") as port:
        asked = Prometheus(session, f"http://us:pass-word@127.0.0.1:{port}")
        while statuses:
            await asked.values({"q": {"r-1": "up"}}, NOW)
    assert "pass-word" not in caplog.text
    words = ["tells nothing", "again", "tells nothing"]
    assert [word in record.message for word, record in zip(words, caplog.records, strict=True)]


async def test_silent_one_is_not_waited_for(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = 0

    async def silent(_: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(prometheus, "SECONDS", 0.2)
    moment = 0.0
    async with listening(silent, path="/api/v1/query") as port:
        asked = Prometheus(session, f"http://127.0.0.1:{port}", clock=lambda: moment)
        for _ in range(5):
            assert await asked.pods("n", SERVICES, [], NOW, NOW) == {}
        assert requests == 2, "two questions at once, and then nobody waits for the same again"
        moment = 1.0
        assert await asked.pods("n", SERVICES, [], NOW, NOW) == {}
        assert requests == 4


def told(revision: str) -> Told:
    return Told(revision, "x")


def test_processes_of_a_pod_are_told_apart() -> None:
    processes = {("a", "9.5"): told("r-1"), ("a", "10.0"): told("r-1"), ("b", "1.0"): told("r-2")}
    there = [
        pod("a", revision="r-1", restarts=3),
        pod("c", revision="r-2", ready=False, restarts=1),
        pod("d", revision="r-2", ready=False),
    ]
    assert by_revision(processes, there) == {
        "r-1": (PodReading("a/10.0", "10.0", 3), PodReading("a/9.5", "9.5")),
        "r-2": (PodReading("b/1.0", "1.0"), PodReading("c", "", 1)),
    }


def test_restarts_of_a_pod_that_is_gone_are_seen_by_its_processes() -> None:
    found = by_revision({("a", "1.0"): told("r-1"), ("a", "2.0"): told("r-1")}, [])
    assert {reading.process: reading.restarts for reading in found["r-1"]} == {"1.0": 0, "2.0": 1}


def test_last_moments_of_earlier_processes() -> None:
    values = [[1, "5"], [2, "5"], [3, "7"], [4, "7"], [5, "8"]]
    series = {"metric": {"pod": "a"}, "values": values}
    assert list(earlier([series])) == [("a", 2.0), ("a", 4.0)]


@pytest.mark.parametrize(
    ("service", "pod", "theirs"),
    [
        pytest.param("pt-en-r-1", "pt-en-r-1-predictor-7d9f-x2b4k", True, id="its own"),
        pytest.param("pt-en", "pt-en-predictor-00001-deployment-5f-x2b4k", True, id="Knative"),
        pytest.param("pt-en", "pt-en-legal-predictor-00001-deployment-5f", False, id="another's"),
        pytest.param("m" * 53, "m" * 53 + "-predx2b4k", True, id="a long name"),
        pytest.param("m" * 52, "m" * 53 + "-predx2b4k", False, id="another's long name"),
    ],
)
def test_pods_of_services_are_known_by_name(service: str, pod: str, theirs: bool) -> None:
    pattern = of_services([service]).removeprefix('pod=~"').removesuffix('"')
    assert bool(re.fullmatch(pattern, pod)) is theirs


# A real one.

CONFIG = """
global: {scrape_interval: 500ms, scrape_timeout: 400ms}
scrape_configs:
- job_name: predictors
  file_sd_configs: [{files: [targets.json], refresh_interval: 300ms}]
"""


@dataclass
class Scraped:
    """A Prometheus with its targets: predictors that this test plays."""

    url: str
    folder: Path
    open: AsyncExitStack
    targets: dict[str, int] = field(default_factory=dict)  # port by pod
    shown: dict[str, Exporter] = field(default_factory=dict)

    async def add(self, name: str, exporter: Exporter) -> None:
        """Have a pod scraped that shows what its exporter counts."""
        self.shown[name] = exporter

        async def show(request: web.Request) -> web.StreamResponse:
            return await showing(self.shown[name])(request)

        self.targets[name] = await self.open.enter_async_context(listening(show))
        self.save()

    def save(self) -> None:
        told = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": "team-a", "pod": name}}
            for name, port in self.targets.items()
        ]
        staged = self.folder / "targets.tmp"
        staged.write_text(json.dumps(told))
        staged.rename(self.folder / "targets.json")


@pytest.fixture(scope="module")
def binary() -> str:
    done = subprocess.run(
        [localcluster_python(), "-m", "localcluster", "build-tool", "prometheus"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "localcluster")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=1800,
    )
    return done.stdout.strip()


@pytest.fixture
async def scraped(running: tuple[str, Path]) -> AsyncIterator[Scraped]:
    async with AsyncExitStack() as opened:
        yield Scraped(*running, opened)


@pytest.fixture
def running(binary: str, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    (tmp_path / "prometheus.yml").write_text(CONFIG)
    (tmp_path / "targets.json").write_text("[]")
    port = 21000 + os.getpid() % 20000
    options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    options += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([binary, *options], cwd=tmp_path, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}", tmp_path
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)


def counts(found: Mapping[str, Sequence[PodReading]]) -> dict[str, dict[str, int]]:
    """Return the texts that were translated, by revision and process."""
    return {
        revision: {reading.uid: reading.users.instances for reading in there}
        for revision, there in found.items()
    }


def plain(found: Mapping[str, Sequence[PodReading]]) -> dict[str, list[PodReading]]:
    """Return readings without what pods are told apart by, which is no name to a Prometheus."""
    return {
        revision: [replace(reading, uid="") for reading in sorted(there, key=lambda r: r.process)]
        for revision, there in found.items()
    }


@pytest.mark.slow
@pytest.mark.timeout(1900)
async def test_real_prometheus_tells_what_pods_tell(
    scraped: Scraped, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime.now(UTC)
    asked = Prometheus(session, scraped.url)
    first, second = Exporter("r-1", 100.25), Exporter("r-2", 200.5)
    first.answer(20, empty=1)
    first.answer(2, code="500")
    second.answer(7)
    second.answer(3, synthetic=True)
    await scraped.add("pt-en-r-1-predictor-x", first)
    await scraped.add("pt-en-r-2-predictor-y", second)
    await scraped.add("pt-en-legal-r-2-predictor-z", Exporter("r-2", 300.0))  # another model's
    there = [
        pod("pt-en-r-1-predictor-x", revision="r-1", restarts=1),
        pod("pt-en-r-2-predictor-y", revision="r-2"),
    ]

    async def read(services: Sequence[str] = SERVICES) -> Mapping[str, tuple[PodReading, ...]]:
        return await asked.pods("team-a", services, there, began, datetime.now(UTC))

    async def both() -> bool:
        found = counts(await read())
        return {r: sum(by.values()) for r, by in found.items()} == {"r-1": 20, "r-2": 7}

    await until(both, 60)
    directly: dict[str, list[PodReading]] = {}
    for each in there:
        monkeypatch.setattr(names, "METRICS_PORT", scraped.targets[each["metadata"]["name"]])
        reading = await scrape(session, [each], ("r-1", "r-2"), NOW)
        directly |= {revision: list(found) for revision, found in reading.pods.items()}
    assert plain(await read()) == plain(directly)

    # A process ends and another one follows, which begins at 0; then the pod goes.
    again = Exporter("r-2", 999.0)
    again.answer(4)
    scraped.shown["pt-en-r-2-predictor-y"] = again

    async def restarted() -> bool:
        found = counts(await read())["r-2"]
        return found == {"pt-en-r-2-predictor-y/200.50": 7, "pt-en-r-2-predictor-y/999.00": 4}

    await until(restarted, 60)
    del scraped.targets["pt-en-r-2-predictor-y"], there[1]
    scraped.save()

    async def gone() -> bool:
        query = {"there": {"r": 'count(translation_model_info{pod="pt-en-r-2-predictor-y"})'}}
        return not await asked.values(query, datetime.now(UTC))

    await until(gone, 60)
    assert await restarted()
    there.clear()
    assert await read(["other"]) == {}


@pytest.mark.slow
@pytest.mark.timeout(1900)
async def test_named_queries_come_through(scraped: Scraped, session: Any) -> None:
    asked = Prometheus(session, scraped.url)
    for revision, count in (("r-1", 5), ("r-2", 8)):
        exporter = Exporter(revision)
        exporter.answer(count)
        await scraped.add(f"pt-en-{revision}-predictor-x", exporter)
    by_revision = {
        revision: f'sum(translation_requests_total{{namespace="team-a",revision="{revision}"}})'
        for revision in ("r-1", "r-2", "r-3")
    }
    queries = {"requests": by_revision, "wrong": {"r-1": "sum("}, "all": {"r-1": "up"}}

    async def through() -> bool:
        found = await asked.values(queries, datetime.now(UTC) + timedelta(milliseconds=10))
        return found == {"requests": {"r-1": 5.0, "r-2": 8.0}}

    await until(through, 60)
    assert set(asked.problems) == {"query wrong", "query all"}
