"""KServe's batcher, by its algorithm: in Kubernetes it is a Go program beside the model's server.

Written by us from pkg/batcher/handler.go: requests for ``:predict`` are gathered until there are
``maxBatchSize`` instances or the first has waited ``maxLatency``; they go to the model as one
request, and the next batch is begun when its answer is there. An upstream error is answered to each
with 200. Theirs also looks at the clock every 100 µs, which costs more than waiting as this does.

``python -m benchmarks.peers_http_batcher PORT UPSTREAM_PORT``.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from typing import Any

import httptools
import orjson
import uvloop

from benchmarks.load_client import Answer, Pool, get, path, post
from benchmarks.peers_http_model import LARGEST_BATCH

MAX_LATENCY = 0.5  # seconds; its default is 5, its examples say 0.3 to 5


class Batcher:
    """One batch at a time."""

    def __init__(self, upstream: Pool) -> None:
        self._upstream = upstream
        self._waiting: asyncio.Queue[tuple[list[Any], asyncio.Future[bytes]]] = asyncio.Queue()

    async def run(self) -> None:
        """Gather and predict, without end."""
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._waiting.get()]
            deadline = loop.time() + MAX_LATENCY
            while sum(len(instances) for instances, _ in batch) < LARGEST_BATCH:
                try:
                    async with asyncio.timeout_at(deadline):
                        batch.append(await self._waiting.get())
                except TimeoutError:
                    break
            await self._predict(batch)

    async def ask(self, instances: list[Any]) -> bytes:
        """Return the answer to a request, whose batch it waits for."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((instances, future))
        return await future

    async def _predict(self, batch: list[tuple[list[Any], asyncio.Future[bytes]]]) -> None:
        together = [instance for instances, _ in batch for instance in instances]
        answer = await self._upstream.ask(post(path("v1"), orjson.dumps({"instances": together})))
        found = orjson.loads(answer.body)["predictions"] if answer.status == 200 else None
        told: dict[str, Any] = {"message": "", "batchId": str(uuid.uuid4())}
        if found is None or len(found) != len(together):
            told, found = {"message": answer.body.decode(errors="replace")}, None
        begin = 0
        for instances, future in batch:
            end = begin + len(instances)
            future.set_result(orjson.dumps(told | {"predictions": found and found[begin:end]}))
            begin = end


class Connection(asyncio.Protocol):
    """A client's connection: one request at a time."""

    def __init__(self, batcher: Batcher, upstream: Pool) -> None:
        self._batcher, self._upstream = batcher, upstream
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Get ready for its first request."""
        self._transport: Any = transport
        self._parser = httptools.HttpRequestParser(self)
        self._path, self._pieces = "", list[bytes]()

    def data_received(self, data: bytes) -> None:
        """Read."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Begin a request."""
        self._path, self._pieces = url.decode(), []

    def on_body(self, piece: bytes) -> None:
        """Go on."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Answer it."""
        task = asyncio.get_running_loop().create_task(self._answer(b"".join(self._pieces)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, body: bytes) -> None:
        if self._path.endswith(":predict"):
            answer = Answer(200, await self._batcher.ask(orjson.loads(body)["instances"]))
        else:
            answer = await self._upstream.ask(get(self._path))
        head = (
            f"HTTP/1.1 {answer.status or 502} \r\ncontent-type: application/json\r\n"
            f"content-length: {len(answer.body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + answer.body)


async def main(port: int, upstream_port: int) -> None:
    """Serve without end."""
    upstream = Pool(upstream_port)
    batcher = Batcher(upstream)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(batcher, upstream), "127.0.0.1", port)
    async with server, asyncio.TaskGroup() as group:
        group.create_task(batcher.run())
        group.create_task(server.serve_forever())


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
