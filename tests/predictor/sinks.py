"""A real HTTP server that stands in for a sink of request logs, in threads of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloudevents.http import CloudEvent, from_http

WITHIN = 60.0  # seconds; on an idle machine it takes none


@dataclass(frozen=True)
class Posted:
    """One request that reached the sink."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def event(self) -> CloudEvent:
        """Return it as a consumer of KServe's logs reads it."""
        return from_http(dict(self.headers), self.body, lambda body: body)


@dataclass
class Sink:
    """What the server is like, and what it was sent."""

    url: str = ""
    status: int = 202
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""
    open: threading.Event = field(default_factory=threading.Event)  # answers wait for it
    posted: list[Posted] = field(default_factory=list)

    def events(self, count: int) -> list[CloudEvent]:
        """Return the events, by time, when ``count`` have come."""
        until(lambda: len(self.posted) >= count, f"{count} events at the sink")
        return sorted((one.event() for one in self.posted), key=lambda one: str(one["time"]))


def until(true: Callable[[], bool], what: str) -> None:
    """Return when ``true`` is."""
    deadline = time.monotonic() + WITHIN
    while not true():
        assert time.monotonic() < deadline, f"waited {WITHIN:g} s for {what}"
        time.sleep(0.01)


@contextmanager
def listening(*, hangs: bool = False, **behaviour: object) -> Iterator[Sink]:
    """Run a sink; one that ``hangs`` answers when its ``open`` is set."""
    sink = Sink(**behaviour)  # type: ignore[arg-type]
    if not hangs:
        sink.open.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            sink.posted.append(Posted(self.path, headers, body))
            sink.open.wait(WITHIN)
            self.send_response(sink.status)
            for name, value in sink.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sink.answer)))
            self.end_headers()
            self.wfile.write(sink.answer)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

        def handle_error(self, *_: object) -> None:  # who was hung up on is no news
            pass

    server = Server(("127.0.0.1", 0), Handler)
    sink.url = f"http://127.0.0.1:{server.server_port}/log?team=a"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield sink
    finally:
        sink.open.set()
        server.shutdown()
        server.server_close()
        thread.join()
