"""Connections are bounded: how many, how long a head may take, how large it is, how slow a reader.

uvicorn takes any number of connections, waits for ever for a request's head, keeps one of any
length, and keeps an answer until it is read. Its own limit answers 503 to probes as well. Here a
new connection always gets in: who has been idle longest makes room for it. Requests are the guard's
to bound, at less than the connections, so somebody is idle.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS = 4096
MAX_HEAD_BYTES = 64 << 10
HEAD_SECONDS = 30.0
READ_SECONDS = 60.0  # for what of an answer is too much for the system's buffers
_FILES = 2 * MAX_CONNECTIONS  # some systems let a process open 1,024 unless it asks


def allow_files() -> None:
    """Let this process have as many connections as it takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _HeadTooLargeError(Exception):
    """A request's head, or what follows its body, has more header lines than may be kept."""


class Connection(HttpToolsProtocol):
    """A connection of a client, with deadlines."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.since = self.loop.time()
        self._in_head = True
        self._unparsed = 0  # bytes of a head that is not complete
        self._lines = 0  # bytes of header lines
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Return whether no request is being answered."""
        return bool(getattr(self.cycle, "response_complete", True))  # before a request: None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for this one first."""
        if len(self.connections) >= MAX_CONNECTIONS:
            self._make_room()
        super().connection_made(transport)
        self._head_begins()

    def _make_room(self) -> None:
        others = (one for one in self.connections if isinstance(one, Connection))
        found = min((one for one in others if one.idle), key=lambda one: one.since, default=None)
        if found is not None:
            self.connections.discard(found)
            found.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        super().connection_lost(exc)
        for timer in (self._head_timer, self._read_timer):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Refuse a head that does not end."""
        was_in_head = self._in_head
        super().data_received(data)
        self._unparsed = self._unparsed + len(data) if was_in_head and self._in_head else 0
        if self._unparsed > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request's head has more than {MAX_HEAD_BYTES:,} bytes.")

    def on_message_begin(self) -> None:
        """Begin the time of a head."""
        super().on_message_begin()
        self._lines = 0
        self._head_begins()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse too many lines; those after a body in pieces come here, too."""
        self._lines += len(name) + len(value)
        if self._lines > MAX_HEAD_BYTES:
            raise _HeadTooLargeError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the time of a head."""
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Be idle from now on."""
        self.since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin the time of a slow reader."""
        super().pause_writing()
        self._read_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """End it."""
        super().resume_writing()
        if self._read_timer is not None:
            self._read_timer.cancel()

    def _head_begins(self) -> None:
        self._in_head = True
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
