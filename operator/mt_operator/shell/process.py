"""The parts of the operator put together, from start to an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp

from mt_operator.settings import Settings
from mt_operator.shell import api, fetch, handlers, metrics
from mt_operator.shell.alerts import Alerts
from mt_operator.shell.kinds import new_kind, served_kinds, wait_for_kinds
from mt_operator.shell.leader import Leader, Term
from mt_operator.shell.loop import Loop, supervise
from mt_operator.shell.observe import World
from mt_operator.shell.prometheus import Prometheus
from mt_operator.shell.queue import Queue
from mt_operator.shell.readings import Readings

log = logging.getLogger(__name__)
STUCK_SECONDS = 300.0  # a key that is due for longer than this: the process works no more


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    namespaces: tuple[str, ...]
    host: str
    port: int
    workers: int
    lease_namespace: str
    lease_name: str
    lease_seconds: float


async def operate(options: Options, settings: Settings) -> int:
    """Work until a signal comes, or until something vital ends; return the exit code."""
    queue, counted = Queue(time.monotonic), metrics.Metrics()
    async with api.connect() as client, fetch.session() as pods, aiohttp.ClientSession() as hooks:
        leader = Leader(client, term(options), time.monotonic)
        fenced = client.fenced(leader.fence)
        fenced.wrote = counted.count_write
        counted.waiting.set_function(queue.waiting)
        counted.leading.set_function(lambda: float(leader.leads))
        counted.gauges.shown = lambda: leader.leads
        counted.receivers(settings.receivers)
        alerts = Alerts(hooks, settings.receivers, counted.count_alert)
        readings = Readings(pods, settings, _prometheus(pods, settings, counted))
        loop = Loop(World(fenced, pods, settings, readings), queue, leader, counted, alerts)
        healthy = health(queue, leader)
        async with metrics.served(counted, healthy, options.host, options.port), alerts.at_work():
            return await _run(options, loop)


def _prometheus(
    session: aiohttp.ClientSession, settings: Settings, counted: metrics.Metrics
) -> Prometheus | None:
    if settings.prometheus is None:
        return None
    return Prometheus(session, settings.prometheus.url, counted.prometheus_errors.inc)


def term(options: Options) -> Term:
    """Return what this process claims; in a pod, in the pod's name.

    A pod has one such process at a time, so one that was killed goes on at once when it is back.
    """
    identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
    return Term(options.lease_namespace, options.lease_name, identity, options.lease_seconds)


def health(queue: Queue, leader: Leader) -> metrics.Healthy:
    """Return the check behind /healthz."""

    def problem() -> str:
        late = queue.overdue() if leader.leads else 0.0
        return f"an object has been due for {late:.0f} s" if late > STUCK_SECONDS else ""

    return problem


async def _run(options: Options, loop: Loop) -> int:
    asked, kopf_stop, kopf_ready = asyncio.Event(), asyncio.Event(), asyncio.Event()
    work = asyncio.create_task(supervise(loop, options.workers), name="workers")
    lease = asyncio.create_task(loop.leader.run(), name="lease")
    signals = asyncio.create_task(_signals(asked, kopf_ready), name="signals")
    watches = asyncio.create_task(_watch(options, loop, kopf_stop, kopf_ready), name="watches")
    await asyncio.wait((work, lease, signals, watches), return_when=asyncio.FIRST_COMPLETED)
    orderly = asked.is_set() or _ended_well(watches)
    work.cancel()
    lease.cancel()
    signals.cancel()
    failed = await _failures((work, lease, signals))
    await loop.leader.release()  # nothing writes any more
    kopf_stop.set()
    if not kopf_ready.is_set():
        watches.cancel()
    failed += await _failures((watches,))
    for name, error in failed:
        log.error("%s ended: %s", name, error, exc_info=error)
    return 0 if orderly and not failed else 1


async def _watch(
    options: Options, loop: Loop, kopf_stop: asyncio.Event, kopf_ready: asyncio.Event
) -> None:
    """Watch; end when there is more to watch than before: the process then starts anew."""
    api = loop.world.api
    await wait_for_kinds(api)
    new = asyncio.create_task(new_kind(api, await served_kinds(api)))
    watches = asyncio.create_task(
        handlers.watch(loop.queue.wake, options.namespaces, kopf_stop, kopf_ready)
    )
    try:
        await asyncio.wait((new, watches), return_when=asyncio.FIRST_COMPLETED)
        if new.done():
            log.info("%s is served now: starting anew to watch it", new.result())
            kopf_stop.set()
        await watches
    finally:
        new.cancel()
        watches.cancel()


async def _signals(asked: asyncio.Event, kopf_ready: asyncio.Event) -> None:
    """End when the process is asked to stop.

    kopf takes the signals when it starts, and its end would cancel what must end in order: so they
    are taken back.
    """
    loop = asyncio.get_running_loop()

    def take() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)

    take()
    started = asyncio.create_task(kopf_ready.wait())
    stopped = asyncio.create_task(asked.wait())
    await asyncio.wait((started, stopped), return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if not stopped.done():
        take()
        log.info("watching")
        await stopped
    log.info("stopping")


def _ended_well(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _failures(
    tasks: Iterable[asyncio.Task[None]],
) -> list[tuple[str, BaseException]]:
    """Wait for the end of all tasks and return the errors of those that failed."""
    failed: list[tuple[str, BaseException]] = []
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                await task
            except Exception as error:
                failed.append((task.get_name(), error))
    return failed
