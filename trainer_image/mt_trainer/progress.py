"""Live progress over HTTP: ``/progress`` as in a run's status, ``/metrics`` for Prometheus."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mt_contract.codec import format_time

_log = logging.getLogger(__name__)
_PREFIX = "translation_training_"


@dataclass(frozen=True)
class Snapshot:
    """How far a training is, at one moment."""

    step: int = 0
    total_steps: int = 0
    epoch: int = 0
    fraction: float = 0.0  # done, 0 to 1
    remaining_seconds: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))

    def document(self) -> dict[str, Any]:
        """Return the JSON of ``status.progress``."""
        document: dict[str, Any] = {
            "step": self.step,
            "totalSteps": self.total_steps,
            "epoch": self.epoch,
            "progressPercentage": int(100 * self.fraction),
            "metrics": [
                {"name": name, "value": format_metric(value)}
                for name, value in self.metrics.items()
            ],
            "lastUpdatedTime": format_time(self.updated),
        }
        if self.remaining_seconds is not None:
            document["estimatedRemainingSeconds"] = self.remaining_seconds
        return document

    def exposition(self) -> str:
        """Return the same as Prometheus text."""
        values = {
            "step": self.step,
            "steps": self.total_steps,
            "epoch": self.epoch,
            "progress_ratio": self.fraction,
        }
        values |= {_snake(name): value for name, value in self.metrics.items()}
        return "".join(
            f"# TYPE {_PREFIX}{name} gauge\n{_PREFIX}{name} {value:g}\n"
            for name, value in values.items()
        )


def format_metric(value: float) -> str:
    """Return a metric's value as text: whole from 100 on, four digits behind the point, or few."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if 0 < abs(value) < 0.01 else f"{value:.4f}"


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


class Board:
    """The newest snapshot, and the server that shows it."""

    def __init__(self, port: int | None) -> None:
        """Serve on ``port`` (0: any free one); on None, or where it is taken, nowhere."""
        self.snapshot = Snapshot()
        self._server: ThreadingHTTPServer | None = None
        if port is None:
            return
        try:
            self._server = ThreadingHTTPServer(("", port), self._handler())
        except OSError as error:
            _log.warning("progress is not served: port %d: %s", port, error.strerror)
            return
        threading.Thread(target=self._server.serve_forever, name="progress", daemon=True).start()

    @property
    def port(self) -> int | None:
        """Return the port that is served, if any."""
        return self._server.server_address[1] if self._server else None

    def close(self) -> None:
        """Stop serving."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        board = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                pages: dict[str, tuple[str, Callable[[], str]]] = {
                    "/progress": (
                        "application/json",
                        lambda: json.dumps(board.snapshot.document()),
                    ),
                    "/metrics": ("text/plain; version=0.0.4", lambda: board.snapshot.exposition()),
                    "/healthz": ("text/plain", lambda: "ok"),
                }
                if self.path not in pages:
                    self.send_error(404, "there are /progress, /metrics and /healthz")
                    return
                kind, page = pages[self.path]
                body = page().encode()
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing of each request."""

        return Handler
