"""The operator's own metrics, and the port where they and its health are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mt_operator.core.observed import ObservedRun, Tree
from mt_operator.core.plan import Plan
from mt_operator.core.reasons import Reason
from mt_operator.shell.gauges import Gauges
from mt_operator.shell.observe import Observed
from mt_operator.shell.queue import Key

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TEXT = "text/plain; version=0.0.4; charset=utf-8"
RESULTS = (
    "Promoted",
    "Superseded",
    Reason.ABORTED,
    Reason.ANALYSIS_FAILED,
    Reason.GATE_FAILED,
    Reason.PROGRESS_DEADLINE_EXCEEDED,
    Reason.RUN_FAILED,
    Reason.SERVING_CHECK_FAILED,
)
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
        self.prometheus_errors = Counter(
            name("prometheus_errors"), "Questions that Prometheus did not answer", registry=to
        )
        self.alerts = Counter(
            "mt_alerts", "Alerts by receiver: Sent or Dropped", ["receiver", "outcome"], registry=to
        )
        self.rollouts = Counter(
            "mt_rollouts",
            "Candidates that came to an end: Promoted, or why not",
            ["result"],
            registry=to,
        )
        self.runs = Counter(
            "mt_runs", "Runs that ended: Completed, or why not", ["result"], registry=to
        )
        self.waiting = Gauge(name("queue_length"), "Objects that are due", registry=to)
        self.leading = Gauge(name("leading"), "Whether this process may write", registry=to)

        for result in RESULTS:  # an alert rule sees an increase only of what was there before
            self.rollouts.labels(result)
        self.gauges = Gauges()
        to.register(self.gauges)

    def count_write(self, verb: str, kind: str) -> None:
        """Count a request that changes something."""
        self.writes.labels(verb, kind).inc()

    def receivers(self, names: Iterable[str]) -> None:
        """Show the counts of these receivers from the start."""
        for name in names:
            for outcome in ("Sent", "Dropped"):
                self.alerts.labels(name, outcome)

    def count_alert(self, receiver: str, outcome: str) -> None:
        """Count an alert that was sent or given up."""
        self.alerts.labels(receiver, outcome).inc()

    def looked(self, key: Key, observed: Observed, plan: Plan, wrote: bool) -> None:
        """Show an object as it was found, or as its status has just been written."""
        status = plan.status if wrote and plan.status is not None else observed.status
        if isinstance(observed, ObservedRun):
            self.gauges.run(key, str((observed.spec.get("modelRef") or {}).get("name", "")), status)
            ended = run_result(observed.status, status)
            if ended:
                self.runs.labels(ended).inc()
            return
        self.gauges.model(key, observed.spec, status, plan.judgement)
        result = rollout_result(observed.status, status)
        if result:
            self.rollouts.labels(result).inc()


def rollout_result(before: Tree, after: Tree) -> str:
    """Return what became of the candidate if it came to an end between two statuses, or nothing."""
    tried, next_one = before.get("candidate") or {}, after.get("candidate") or {}
    if not tried or tried.get("run") == next_one.get("run"):
        return ""
    revision = tried.get("revision")
    if revision and revision == (after.get("production") or {}).get("revision"):
        return "Promoted"
    for entry in reversed(after.get("rejected") or ()):
        if entry.get("run") == tried.get("run"):
            return str(entry.get("reason"))
    return "Superseded"


def run_result(before: Tree, after: Tree) -> str:
    """Return what became of a run if it came to an end between two statuses, or nothing."""
    return "" if ending(before) else ending(after)


def ending(status: Tree) -> str:
    """Return how a run ended: the reason of its last condition; nothing before."""
    for condition in status.get("conditions") or ():
        if condition["type"] in ("Succeeded", "Failed") and condition["status"] == "True":
            return str(condition.get("reason"))
    return ""


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
