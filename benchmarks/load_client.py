"""HTTP/1.1 connections that cost the load's process little: bytes out, status and body in.

In the predictor's environment, whose lock has ``httptools``.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httptools

from benchmarks.peers_http_model import NAME

READY = {"v1": "/v2/health/ready", "v2": "/v2/health/ready", "litserve": "/health"}
BROKEN = 0  # instead of a status: the connection ended without an answer


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = b""


class _Connection(asyncio.Protocol):
    """A connection that is kept alive, one request at a time."""

    def __init__(self) -> None:
        self.transport: Any  # uvloop's is no asyncio.Transport
        self.open = False
        self._waiting: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.open = transport, True

    def connection_lost(self, _: Exception | None) -> None:
        self.open = False
        self._answered(Answer(BROKEN))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 100:
            return
        self.open = self.open and self._parser.should_keep_alive()
        self._answered(Answer(status, b"".join(self._pieces)))

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a whole request; its answer comes in the future."""
        self._parser, self._pieces = httptools.HttpResponseParser(self), list[bytes]()
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiting

    def _answered(self, answer: Answer) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting and not waiting.done():
            waiting.set_result(answer)


class Pool:
    """As many connections to one server as there are requests under way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []

    async def ask(self, request: bytes) -> Answer:
        """Return the answer; of a connection that cannot be had or that breaks, ``BROKEN``."""
        try:
            connection = await self._connection()
        except OSError:
            return Answer(BROKEN)
        answer = await connection.ask(request)
        if connection.open:
            self._idle.append(connection)
        else:
            connection.transport.close()
        return answer

    def close(self) -> None:
        """Hang up, also where an answer has not come."""
        for connection in self._all:
            connection.transport.abort()

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._port)
        self._all.append(connection)
        return connection


def get(where: str) -> bytes:
    """Return a request for a path."""
    return f"GET {where} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


def post(where: str, body: bytes) -> bytes:
    """Return a request that sends JSON to a path."""
    head = (
        f"POST {where} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def path(protocol: str, model: str = NAME) -> str:
    """Return where a translation is asked for."""
    paths = {"v1": f"/v1/models/{model}:predict", "v2": f"/v2/models/{model}/infer"}
    return paths.get(protocol, "/predict")


def question(protocol: str, text: str, model: str = NAME) -> bytes:
    """Return the usual request: one text to be translated."""
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}
    document = {
        "v1": {"instances": [text]},
        "v2": {"inputs": [tensor]},
        "litserve": {"text": text},
    }[protocol]
    return post(path(protocol, model), json.dumps(document, ensure_ascii=False).encode())


def translation(protocol: str, body: bytes) -> str:
    """Return the translation that a good answer holds."""
    document = json.loads(body)
    if protocol == "litserve":
        return str(document["translation"])
    if protocol == "v2":
        return str(document["outputs"][0]["data"][0])
    found = document["predictions"][0]
    return str(found["translation"] if isinstance(found, dict) else found)
