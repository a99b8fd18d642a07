"""Predictors as an operator or a Prometheus reads them: a registry each, on a port of their own."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from tests.operator.shell.cluster import ROOT

from mt_contract import names
from mt_operator.shell.metrics import TEXT

BOUNDS = (0.1, 0.5, 1)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Exporter:
    """What a predictor of one revision exposes, as far as a judgement needs it."""

    def __init__(self, revision: str, started: float = 1_700_000_000.5) -> None:
        self.registry = CollectorRegistry()
        self.revision = revision
        info = Gauge("translation_model_info", "", ["revision", "run"], registry=self.registry)
        info.labels(revision, "a-run").set(1)
        process = Gauge("process_start_time_seconds", "", registry=self.registry)
        process.set(started)
        self.users = self._counters("translation")
        self.synthetic = self._counters("translation_synthetic")
        self.features = Counter(
            "translation_feature_bucket", "", ["feature", "bucket"], registry=self.registry
        )

    def answer(
        self, count: int, code: str = "200", empty: int = 0, synthetic: bool = False
    ) -> None:
        """Count so many requests of one text each, which took 0.2 s."""
        counters = self.synthetic if synthetic else self.users
        counters["requests"].labels(self.revision, code).inc(count)
        if code != "200":
            return
        for _ in range(count):
            counters["seconds"].labels(self.revision).observe(0.2)
        counters["instances"].inc(count)
        counters["empty"].inc(empty)
        counters["tokens"].labels("source").inc(3 * count)
        counters["tokens"].labels("target").inc(4 * count)
        if not synthetic:
            self.features.labels("lengthRatio", "1.5").inc(count)
            self.features.labels("score", "inf").inc(count)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def _counters(self, prefix: str) -> dict[str, Any]:
        to = self.registry
        seconds = f"{prefix}_request_duration_seconds"
        return {
            "requests": Counter(f"{prefix}_requests", "", ["revision", "code"], registry=to),
            "seconds": Histogram(seconds, "", ["revision"], buckets=BOUNDS, registry=to),
            "tokens": Counter(f"{prefix}_tokens", "", ["direction"], registry=to),
            **{
                part: Counter(f"{prefix}_{part}", "", registry=to)
                for part in ("instances", "empty", "copy")
            },
        }


@asynccontextmanager
async def listening(
    handler: Handler, host: str = "127.0.0.1", path: str = "/metrics", port: int = 0
) -> AsyncIterator[int]:
    """Serve ``handler`` meanwhile; yield the port."""
    application = web.Application()
    application.router.add_route("*", path, handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextmanager
def refused(host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port that is held and refuses, whatever else runs on the machine."""
    with socket.socket() as held:
        held.bind((host, 0))
        yield held.getsockname()[1]


def showing(exporter: Exporter) -> Handler:
    """Return a handler that shows what the exporter has counted."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=exporter.text(), headers={"Content-Type": TEXT})

    return show


def pod(
    name: str, ip: str = "127.0.0.1", revision: str = "", ready: bool = True, restarts: int = 0
) -> dict[str, Any]:
    """Return a predictor's pod that runs."""
    labels = {"serving.kserve.io/inferenceservice": f"pt-en-{revision}" if revision else "pt-en"}
    labels |= {names.LABEL_REVISION: revision} if revision else {}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels},
        "spec": {},
        "status": {
            "phase": "Running",
            "podIP": ip,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [
                {
                    "restartCount": restarts,
                    "state": {"running": {"startedAt": "2026-11-21T10:00:00Z"}},
                }
            ],
        },
    }


_PREDICTOR = """
from prometheus_client import CollectorRegistry, generate_latest
from mt_predictor.features import DEFAULT_BOUNDS
from mt_predictor.metrics import Metrics
registry = CollectorRegistry()
metrics = Metrics(registry, "r-1", DEFAULT_BOUNDS)
labels = "run source target engine precision beam_size digest".split()
metrics.model(**dict.fromkeys(labels, "x"))
metrics.request(200, 0.04, synthetic=False)
metrics.request(500, 0.04, synthetic=False)
metrics.request(200, 0.04, synthetic=True)
print(generate_latest(registry).decode())
"""


def predictors_text() -> str:
    """Return what the predictor itself exposes after an answer, an error and one of our own."""
    made = subprocess.run(
        ["make", "--silent", "venv-predictor"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert made.returncode == 0, made.stderr
    python = str(Path(made.stdout.split()[-1], "bin", "python"))
    environment = {"PYTHONPATH": f"{ROOT / 'predictor'}:{ROOT / 'crds'}"}
    done = subprocess.run(
        [python, "-c", _PREDICTOR],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout
