from __future__ import annotations

import asyncio
import io
import json

import httpx
import pytest

from demo.load import REVISION_HEADER, Target, ask, run

TARGET = Target("http://gateway.invalid", "pt-en-a.example.com", "pt-en")


def answer(status: int, body: object, revision: str = "r-1") -> httpx.MockTransport:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.headers["host"] == TARGET.host
        assert request.url.path == "/v1/models/pt-en:predict"
        return httpx.Response(status, json=body, headers={REVISION_HEADER: revision})

    return httpx.MockTransport(respond)


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


@pytest.mark.parametrize(
    ("transport", "status", "revision", "error"),
    [
        pytest.param(
            answer(200, {"predictions": [{"translation": "hi"}]}),
            200,
            "r-1",
            "",
            id="a translation",
        ),
        pytest.param(answer(503, {"error": "full"}), 503, "r-1", "full", id="overload is recorded"),
        pytest.param(
            answer(200, {}), 0, "r-1", "without a translation", id="a 200 without a translation"
        ),
        pytest.param(
            httpx.MockTransport(refuse), 0, "", "connection refused", id="no answer at all"
        ),
    ],
)
async def test_ask(transport: httpx.MockTransport, status: int, revision: str, error: str) -> None:
    async with httpx.AsyncClient(transport=transport) as client:
        sample = await ask(client, TARGET, "Olá")
    assert (sample.status, sample.revision) == (status, revision)
    assert error in sample.error


@pytest.mark.parametrize(("text", "empty"), [("hi", False), (" ", True)])
async def test_an_empty_translation_is_noted(text: str, empty: bool) -> None:
    transport = answer(200, {"predictions": [{"translation": text}]})
    async with httpx.AsyncClient(transport=transport) as client:
        sample = await ask(client, TARGET, "Olá")
    assert (sample.status, sample.empty) == (200, empty)


async def test_an_open_loop_does_not_wait_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers only when all requests have come."""
    arrived, all_arrived = [], asyncio.Event()

    async def respond(request: httpx.Request) -> httpx.Response:
        arrived.append(json.loads(request.content)["instances"][0])
        if len(arrived) == 5:
            all_arrived.set()
        await all_arrived.wait()
        return httpx.Response(200, json={"predictions": [1]}, headers={REVISION_HEADER: "r-2"})

    real = httpx.AsyncClient
    monkeypatch.setattr(
        httpx, "AsyncClient", lambda **_: real(transport=httpx.MockTransport(respond))
    )
    out = io.StringIO()
    assert await run(TARGET, ["a", "b", "c"], 1000.0, out, asyncio.Event(), max_requests=5) == 5
    assert sorted(arrived) == ["a", "a", "b", "b", "c"]
    assert [json.loads(line)["revision"] for line in out.getvalue().splitlines()] == ["r-2"] * 5


async def test_a_stopped_load_sends_nothing_more() -> None:
    stop, out = asyncio.Event(), io.StringIO()
    stop.set()
    assert await run(TARGET, ["a"], 20.0, out, stop, max_requests=5) == 0
    assert out.getvalue() == ""
