"""SIGTERM loses nothing: what is under way is answered, and what still comes is answered too."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import httpx
from tests.predictor.builders import sentences
from tests.predictor.running import MODEL, Running, predict, serving

PREDICT = f"/v1/models/{MODEL}:predict"
PAGE = predict("\n".join(sentences(60, seed=3)))
# One thread's worth of batches: the pages below are at work for a while.
SMALL_BATCHES = json.dumps({"maxBatchTokens": 40, "maxBatchDelay": "5ms", "maxQueue": 64})


async def test_sigterm_loses_no_request(artifact_folder: Path, tmp_path: Path) -> None:
    drain = {"MT_DRAIN_SECONDS": "600", "MT_SERVING": SMALL_BATCHES}
    with serving(artifact_folder, tmp_path, **drain) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60, verify=False) as client:
            before = await _at_work(client, server, 4)
            server.process.send_signal(signal.SIGTERM)
            await _not_ready(client)
            answer = await client.post(PREDICT, content=predict("ba do"))
            assert answer.status_code == 200  # not ready any more, and yet it answers
            assert answer.headers["connection"] == "close"
            after = await _at_work(client, server, 4)
            server.process.send_signal(signal.SIGTERM)  # told twice: the port is closed
            answers = await asyncio.gather(*before, *after)
            assert [one.status_code for one in answers] == [200] * 8
            assert {one.text for one in answers} == {answers[0].text}
        assert server.process.wait(timeout=60) == 0
    assert "everything was answered" in server.log.read_text()


async def _at_work(
    client: httpx.AsyncClient, server: Running, count: int
) -> list[asyncio.Task[httpx.Response]]:
    """Send ``count`` pages and return when all of them are being answered."""
    tasks = [asyncio.create_task(client.post(PREDICT, content=PAGE)) for _ in range(count)]
    for _ in range(1000):
        page = (await client.get(server.metrics_url)).text
        under_way = page.split("\ntranslation_requests_in_progress ")[1].split()[0]
        if float(under_way) >= count or all(task.done() for task in tasks):
            return tasks
        await asyncio.sleep(0.01)
    raise AssertionError("the requests did not reach the predictor")


async def _not_ready(client: httpx.AsyncClient) -> None:
    for _ in range(1000):
        if (await client.get("/v2/health/ready")).status_code == 503:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("still ready after SIGTERM")
