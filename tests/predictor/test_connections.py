"""Connections that are many, silent, endless or not read: a real server, and a small app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
import uvicorn

from mt_predictor import connections
from mt_predictor.connections import Connection
from mt_predictor.guard import Message, Receive, Send

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
LARGE = 32 << 20  # more than the system's buffers take


@dataclass
class Served:
    """A server in this process."""

    port: int
    answered: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)  # by a request that waits
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/wait":
            self.reached.set()
            await self.release.wait()
        body = b"x" * LARGE if scope["path"] == "/large" else b"ok"
        while (message := await receive())["type"] != "http.disconnect":
            if not message["more_body"]:
                break
        else:
            return
        self.answered = True
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Client:
    """A connection to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def get(self, path: bytes = b"/") -> int:
        await self.send(GET.replace(b"/", path, 1) + b"\r\n")
        return await self.status()

    async def status(self) -> int:
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length"))
        await self._reader.readexactly(int(length.split()[1]))
        return int(head.split()[1])

    async def rest(self) -> int:
        """Read until the server closes the connection, and return how many bytes that were."""
        count = 0
        try:
            while data := await self._reader.read(1 << 20):
                count += len(data)
        except ConnectionError:
            pass
        return count


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    served = Served(0)
    config = uvicorn.Config(
        served.app, port=0, http=Connection, interface="asgi3", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    served.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.force_exit = True
        await server.shutdown()


async def connect(served: Served) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", served.port))


async def test_who_is_idle_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    async with serving() as served:
        first, second, third = [await connect(served) for _ in range(3)]
        assert [await one.get() for one in (second, first, third)] == [200] * 3
        fourth = await connect(served)
        assert await fourth.get() == 200
        assert await second.rest() == 0  # closed
        assert [await one.get() for one in (first, third, fourth)] == [200] * 3


async def test_who_waits_for_an_answer_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    async with serving() as served:
        busy = await connect(served)
        answer = asyncio.create_task(busy.get(b"/wait"))
        await served.reached.wait()
        idle = await connect(served)
        assert await idle.get() == 200
        assert await (await connect(served)).get() == 200
        assert await idle.rest() == 0
        served.release.set()
        assert await answer == 200


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([GET + b"x: ", *[b"a" * 9_999] * 9], id="a line without an end"),
        pytest.param([GET, *[b"x: " + b"a" * 9_999 + b"\r\n"] * 9], id="lines without an end"),
        pytest.param(
            [
                GET.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
                *[b"x: " + b"a" * 9_999 + b"\r\n"] * 9,
            ],
            id="lines after the body",
        ),
    ],
)
async def test_a_head_without_an_end_is_refused(pieces: list[bytes]) -> None:
    async with serving() as served, asyncio.timeout(60):
        client = await connect(served)
        with suppress(ConnectionError):  # it is closed while we are sending
            for piece in pieces:
                await client.send(piece)
                await asyncio.sleep(0)
        await client.rest()
        assert not served.answered


async def test_a_large_head_that_ends_is_served() -> None:
    async with serving() as served:
        client = await connect(served)
        for _ in range(3):  # each counts for itself
            await client.send(GET + b"x: " + b"a" * 50_000 + b"\r\n\r\n")
            assert await client.status() == 200


@pytest.mark.parametrize("begun", [b"", GET], ids=["nothing", "half a head"])
async def test_who_says_nothing_is_cut_off(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.0)
    async with serving() as served:
        client = await connect(served)
        await client.send(begun)
        assert await client.rest() == 0


async def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_SECONDS", 0.0)
    async with serving() as served:
        client = await connect(served)
        await client.send(GET.replace(b"/", b"/large", 1) + b"\r\n")
        assert 0 < await client.rest() < LARGE


async def test_who_reads_slowly_gets_it_all() -> None:
    async with serving() as served:
        client = await connect(served)
        assert await client.get(b"/large") == 200
        assert await client.get() == 200
