"""What the SDK's REST routes leave out: versions of a model, compressed bodies; plain ASGI.

A revision is a version: ``/v2/models/NAME/versions/REVISION/…`` leads where ``/v2/models/NAME/…``
does. The body of a V2 request goes on as bytes, whatever its content type: it is read in one place
and not by FastAPI, whose JSON has NaN and halves of characters.
"""

from __future__ import annotations

import re

from mt_predictor.guard import Application, Message, Receive, Send
from mt_predictor.http_errors import answer

_VERSIONED = re.compile(r"(/v2/models/[^/]+)/versions/([^/]*)(/.*)?")
_CONTENT_TYPE = b"content-type"


class RestProtocol:
    """ASGI middleware right before the SDK's application."""

    def __init__(self, app: Application, version: str) -> None:
        self._app = app
        self._version = version

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on in the form that the SDK takes, or refuse it."""
        if scope["type"] == "http":
            found = _VERSIONED.fullmatch(scope["path"])
            if found and found[2] != self._version:
                await answer(404, unknown_version(self._version))(scope, receive, send)
                return
            if found:
                scope = {**scope, "path": found[1] + (found[3] or "")}
            if scope["method"] == "POST":
                headers = dict(scope["headers"])
                if headers.get(b"content-encoding", b"identity").lower() != b"identity":
                    text = "the body is compressed: send it as it is, without Content-Encoding"
                    await answer(415, text)(scope, receive, send)
                    return
                if scope["path"].endswith("/infer"):
                    headers[_CONTENT_TYPE] = b"application/octet-stream"
                    scope = {**scope, "headers": list(headers.items())}
        await self._app(scope, receive, send)


def unknown_version(version: str) -> str:
    """Return what is said to who asks for another version than the one that serves."""
    return f"no such version is served here, {version!r} is: ask for that, or for none"
