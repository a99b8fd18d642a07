"""Progress is read from a pod within bounds, whatever answers there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.operator.shell.exporter import refused

from mt_contract import names
from mt_operator.shell import fetch
from mt_operator.shell.fetch import address_of
from mt_operator.shell.progress import read_progress


def pod(ip: str = "127.0.0.1", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    return {"metadata": {}, "spec": spec, "status": {"phase": phase, "podIP": ip}}


@pytest.mark.parametrize(
    ("found", "address"),
    [
        pytest.param(pod("10.0.0.7"), "10.0.0.7", id="runs"),
        pytest.param(pod("fd00::7"), "[fd00::7]", id="IPv6"),
        pytest.param(pod(hostNetwork=True), None, id="the host's own network"),
        pytest.param(pod(phase="Pending"), None, id="does not run"),
        pytest.param(pod(""), None, id="no address yet"),
        pytest.param(pod("evil.example.com/?x="), None, id="no address at all"),
        pytest.param({"metadata": {}}, None, id="no status"),
    ],
)
def test_address(found: dict[str, Any], address: str | None) -> None:
    assert address_of(found) == address


async def told(_: web.Request) -> web.Response:
    return web.json_response({"step": 3})


async def text(_: web.Request) -> web.Response:
    return web.Response(text="not JSON")


async def a_list(_: web.Request) -> web.Response:
    return web.json_response([1])


async def nested(_: web.Request) -> web.Response:
    return web.Response(text="[" * 100_000)


async def huge(_: web.Request) -> web.Response:
    return web.Response(body=b'"' + b"x" * (2 << 20) + b'"')


async def broken(_: web.Request) -> web.Response:
    return web.Response(status=500)


async def elsewhere(_: web.Request) -> web.Response:
    raise web.HTTPFound("http://127.0.0.1/")


async def silent(_: web.Request) -> web.Response:
    await asyncio.sleep(60)
    raise AssertionError


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with fetch.session() as session:
        yield session


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(told, {"step": 3}, id="progress"),
        pytest.param(text, None, id="no JSON"),
        pytest.param(a_list, None, id="no object"),
        pytest.param(nested, None, id="nested without end"),
        pytest.param(huge, None, id="more than a MiB"),
        pytest.param(broken, None, id="an error"),
        pytest.param(elsewhere, None, id="a redirect"),
        pytest.param(silent, None, id="nothing in time"),
    ],
)
async def test_answer(
    answer: Callable[[web.Request], Awaitable[web.Response]],
    expected: Any,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    application = web.Application()
    application.router.add_get("/progress", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    monkeypatch.setattr(names, "METRICS_PORT", port)
    monkeypatch.setattr(fetch, "POD_SECONDS", 0.5 if answer is silent else 10.0)
    try:
        assert await read_progress(session, pod()) == expected
    finally:
        await runner.cleanup()


async def test_nobody_answers(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refused() as port:
        monkeypatch.setattr(names, "METRICS_PORT", port)
        assert await read_progress(session, pod("127.0.0.1")) is None
