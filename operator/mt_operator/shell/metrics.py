"""The operator's own metrics, and the port where they and its health are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TEXT = "text/plain; version=0.0.4; charset=utf-8"
Healthy = Callable[[], str]  # returns what is wrong, or nothing


class Metrics:
    """What the operator counts."""

    def __init__(self) -> None:
        """Declare the metrics in a registry of their own."""
        self.registry = CollectorRegistry()
        name, to = "mt_operator_{}".format, self.registry
        self.seconds = Histogram(
            name("reconcile_seconds"), "One look", ["kind"], buckets=BUCKETS, registry=to
        )
        self.errors = Counter(
            name("reconcile_errors"), "Looks that failed", ["kind", "error"], registry=to
        )
        self.writes = Counter(name("writes"), "Changing requests", ["verb", "kind"], registry=to)
        self.waiting = Gauge(name("queue_length"), "Objects that are due", registry=to)
        self.leading = Gauge(name("leading"), "Whether this process may write", registry=to)

    def count_write(self, verb: str, kind: str) -> None:
        """Count a request that changes something."""
        self.writes.labels(verb, kind).inc()


@asynccontextmanager
async def served(metrics: Metrics, healthy: Healthy, host: str, port: int) -> AsyncIterator[None]:
    """Serve ``/metrics`` and ``/healthz`` meanwhile.

    Raises:
        OSError: the port cannot be had.
    """

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": TEXT})

    async def health(_: web.Request) -> web.Response:
        problem = healthy()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    application = web.Application()
    application.add_routes([web.get("/metrics", show), web.get("/healthz", health)])
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
