"""What stands before every inference request: bounds, disconnects, metrics, drain; plain ASGI.

  a place → read the body (bounded in size, time and values) → let the SDK answer, unless the
  client is gone → wait until the client has read what is large → count

The SDK reads a body of any size and goes on translating for a client that hung up; uvicorn keeps
answers that nobody reads. Bodies and answers count until they are gone: what memory is planned for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from mt_predictor.asking import SYNTHETIC_HEADER
from mt_predictor.http_errors import answer, log_unforeseen
from mt_predictor.json_values import more_values_than
from mt_predictor.metrics import CLIENT_GONE, Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 4 << 20
MAX_BYTES_IN_FLIGHT = 64 << 20  # of bodies and answers together
MAX_REQUESTS = 2048  # that are read or answered: each takes memory, whatever its size
MAX_VALUES = 1 << 14  # of a body's JSON: 16 for each text that a request may have
BODY_SECONDS = 30.0
_SMALL = 1 << 16  # bytes that are looked through, or stay unread, at no cost
REVISION_HEADER = b"x-translation-revision"
JSON_LENGTH_HEADER = b"inference-header-content-length"  # what follows the JSON is binary


@dataclass
class Draining:
    """Whether the process is about to end; new requests are still answered."""

    begun: bool = False


class _GoneError(Exception):
    """The client hung up before its request was complete."""


class _RefusedError(Exception):
    """The body is not read any further."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Guard:
    """ASGI middleware around the SDK's application."""

    def __init__(self, app: Application, metrics: Metrics, draining: Draining) -> None:
        self._app = app
        self._metrics = metrics
        self._draining = draining
        self._in_flight = 0
        self._requests = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on what is no inference; guard what is."""
        if scope["type"] != "http" or not is_inference(scope):
            await self._app(scope, receive, send)
            return
        self._requests += 1
        try:
            with self._metrics.in_progress.track_inprogress():
                await self._guarded(scope, receive, send)
        finally:
            self._requests -= 1

    async def _guarded(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        held = [0]  # bytes of this request's body and answer
        outgoing = _Outgoing(
            send, self._metrics.revision, self._draining, lambda size: self._hold(size, held)
        )
        begun, code = monotonic(), 500
        try:
            self._check_place()
            body = await self._read(headers, receive, held)
            await _check_values(body, headers)
            begun = monotonic()
            await _unless_gone(self._app, scope, body, receive, outgoing.send)
            code = outgoing.status or 500
        except _GoneError:
            code = CLIENT_GONE
        except _RefusedError as refusal:
            code = refusal.status
            outgoing.close = True  # the rest of the body would be read as the next request
            await answer(code, str(refusal))(scope, receive, outgoing.send)
        except Exception as error:
            log_unforeseen(error)
            if not outgoing.status:
                message = "internal error: see the predictor's log"
                await answer(code, message)(scope, receive, outgoing.send)
        finally:
            self._in_flight -= held[0]
            synthetic = headers.get(SYNTHETIC_HEADER.encode(), b"").lower() == b"true"
            seconds = (outgoing.answered or monotonic()) - begun
            self._metrics.request(code, max(0.0, seconds), synthetic)

    def _check_place(self) -> None:
        if self._requests > MAX_REQUESTS:
            text = f"{MAX_REQUESTS:,} requests are being served already"
            raise _RefusedError(503, f"{text}: come back in a second, or add replicas")

    async def _read(self, headers: dict[bytes, bytes], receive: Receive, held: list[int]) -> bytes:
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
            raise _too_large()
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _GoneError
                    piece = message.get("body", b"")
                    self._hold(len(piece), held)
                    self._check_size(held[0])
                    pieces.append(piece)
                    if not message.get("more_body"):
                        return b"".join(pieces)
        except TimeoutError:
            text = f"the body did not arrive within {BODY_SECONDS:.0f} s: send it faster"
            raise _RefusedError(408, text) from None

    def _hold(self, size: int, held: list[int]) -> None:
        held[0] += size
        self._in_flight += size

    def _check_size(self, size: int) -> None:
        if size > MAX_BODY_BYTES:
            raise _too_large()
        if self._in_flight > MAX_BYTES_IN_FLIGHT:
            text = f"more than {MAX_BYTES_IN_FLIGHT:,} bytes of requests are being served already"
            raise _RefusedError(503, f"{text}: come back in a second, or add replicas")


class _Outgoing:
    """Sends an answer, remembers its status, adds our headers, and waits for slow readers."""

    def __init__(
        self, send: Send, revision: str, draining: Draining, hold: Callable[[int], None]
    ) -> None:
        self._send = send
        self._revision = revision
        self._draining = draining
        self._hold = hold
        self.status: int | None = None
        self.answered: float | None = None  # when the answer began
        self.close = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.answered = int(message["status"]), monotonic()
            headers = [*message.get("headers", ()), (REVISION_HEADER, self._revision.encode())]
            if self.close or self._draining.begun:  # the client's next request goes elsewhere
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        size = len(message.get("body", b""))
        if size <= _SMALL or message.get("more_body"):
            await self._send(message)
            return
        self._hold(size)
        await self._send({**message, "more_body": True})
        # The server waits with this until the client has read nearly all of that.
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def is_inference(scope: Message) -> bool:
    """Return whether an HTTP request asks for translations."""
    path = scope["path"]
    return bool(scope["method"] == "POST" and (path.endswith((":predict", "/infer"))))


async def _check_values(body: bytes, headers: dict[bytes, bytes]) -> None:
    """Refuse a document that would be many times as large in memory as it is.

    Raises:
        _RefusedError: it would.
    """
    length = headers.get(JSON_LENGTH_HEADER, b"")[:9]
    document = body[: int(length)] if length.isdigit() else body
    if len(document) > _SMALL and await asyncio.to_thread(more_values_than, MAX_VALUES, document):
        text = f"the body has more than {MAX_VALUES:,} JSON values: send fewer texts at once"
        raise _RefusedError(413, text)


def _too_large() -> _RefusedError:
    text = f"the body is larger than {MAX_BODY_BYTES:,} bytes: send fewer texts at once"
    return _RefusedError(413, text)


async def _unless_gone(
    app: Application, scope: Message, body: bytes, receive: Receive, send: Send
) -> None:
    """Run ``app`` on a request that was read, and cancel it when the client hangs up.

    Raises:
        _GoneError: it did.
    """
    unread = [body]

    async def replay() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        await gone
        return {"type": "http.disconnect"}

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.ensure_future(until_gone())
    answering = asyncio.ensure_future(app(scope, replay, send))
    try:
        await asyncio.wait({gone, answering}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise _GoneError
        answering.result()
    finally:
        for task in (gone, answering):
            task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await asyncio.gather(gone, answering, return_exceptions=True)
