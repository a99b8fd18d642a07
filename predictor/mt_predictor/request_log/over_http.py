"""Requests over HTTP, as they pass by: ASGI middleware that looks and changes nothing."""

from __future__ import annotations

from mt_predictor.guard import Application, Message, Receive, Send, is_inference
from mt_predictor.request_log.events import Body
from mt_predictor.request_log.log import Exchange, RequestLog

_JSON_LENGTH = "inference-header-content-length"


class Recorder:
    """Tells a request log of each inference request that is read, and of its answer if it is 200.

    It stands within the guard, which bounds bodies and cancels what nobody waits for.
    """

    def __init__(self, app: Application, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on every message, and look at those of inference."""
        exchange = None
        if scope["type"] == "http" and is_inference(scope):
            exchange = self._log.begin(_headers(scope))
        if exchange is not None:
            receive, send = _heard(exchange, scope, receive), _overheard(exchange, send)
        await self._app(scope, receive, send)


def _heard(exchange: Exchange, scope: Message, receive: Receive) -> Receive:
    pieces: list[bytes] = []

    async def hear() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                exchange.asked(_body(pieces, _headers(scope)))
        return message

    return hear


def _overheard(exchange: Exchange, send: Send) -> Send:
    pieces: list[bytes] = []
    start: Message = {}

    async def overhear(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif start.get("status") == 200 and message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                exchange.answered(_body(pieces, _headers(start)))
        await send(message)

    return overhear


def _headers(message: Message) -> dict[str, str]:
    pairs = message.get("headers", ())
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _body(pieces: list[bytes], headers: dict[str, str]) -> Body:
    content_type = headers.get("content-type", "")
    return Body(b"".join(pieces), content_type, headers.get(_JSON_LENGTH, ""))
