"""Webhooks: what happened to a model, told to the receivers that the platform has configured.

Alerts wait in memory, a queue for each receiver, and go out in tasks of their own: no decision
waits for them. A receiver that does not answer is asked again for a while; what it missed then is
logged and counted. What waits when the process dies is lost: the Event and the condition are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from mt_contract import names
from mt_contract.codec import format_time
from mt_operator.core.observed import ObservedModel, Tree
from mt_operator.core.plan import Event, Plan
from mt_operator.settings import Receiver

log = logging.getLogger(__name__)
WAITING = 256  # alerts of one receiver that may wait
SECONDS = 10.0  # for one answer
TRIES, PAUSE, MAX_PAUSE = 10, 1.0, 60.0  # in all about five minutes
LAST_SECONDS = 5.0  # for what still waits when the process ends
ENDING = "the operator ends"
AGAIN = frozenset({408, 425, 429})  # besides 5xx: another try may be answered otherwise
Counted = Callable[[str, str], None]  # receiver and outcome: Sent | Dropped


@dataclass(frozen=True)
class Alert:
    """What a receiver is sent as JSON. ``id`` stays the same when it is sent again."""

    id: str
    text: str  # all of it in one line, which chat services show
    type: str  # Normal | Warning
    reason: str
    message: str
    namespace: str
    model: str
    generation: int
    revision: str | None  # that this is about, and the run that made it
    run: str | None
    time: str  # RFC 3339
    url: str | None  # where the model is served
    cluster: str  # as the operator's settings name it


class RefusedByReceiverError(Exception):
    """The receiver answers that it does not take this: another try is no use."""


class UnansweredError(Exception):
    """The receiver could not be asked, or had an error of its own."""


@dataclass
class Alerts:
    """The receivers and what waits for them."""

    session: aiohttp.ClientSession
    receivers: Mapping[str, Receiver]
    counted: Counted = lambda receiver, outcome: None
    pause: float = PAUSE
    _queues: dict[str, asyncio.Queue[Alert]] = field(default_factory=dict, init=False)

    def announce(self, alert: Alert, receivers: Iterable[str]) -> None:
        """Have ``alert`` sent to these receivers; never waits."""
        for name in receivers:
            queue = self._queues.get(name)
            if queue is None:
                self._drop(name, alert, "the operator's settings know no receiver of this name")
                continue
            try:
                queue.put_nowait(alert)
            except asyncio.QueueFull:
                self._drop(name, alert, f"{WAITING} others wait already")

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Send meanwhile; at the end, try for a moment to send what still waits."""
        self._queues = {name: asyncio.Queue(WAITING) for name in self.receivers}
        senders = [
            asyncio.create_task(self._send_all(name, queue), name=f"receiver {name}")
            for name, queue in self._queues.items()
        ]
        try:
            yield
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await asyncio.gather(*(queue.join() for queue in self._queues.values()))
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
            for name, queue in self._queues.items():
                while not queue.empty():
                    self._drop(name, queue.get_nowait(), ENDING)

    async def _send_all(self, name: str, queue: asyncio.Queue[Alert]) -> None:
        while True:
            alert = await queue.get()
            try:
                await self._send_surely(name, alert)
            except asyncio.CancelledError:
                self._drop(name, alert, ENDING)
                raise
            except Exception:
                log.exception("receiver %s: the alert %s failed", name, alert.id)
                self.counted(name, "Dropped")
            finally:
                queue.task_done()

    async def _send_surely(self, name: str, alert: Alert) -> None:
        """Send an alert; try again while that may help."""
        problem = ""
        for number in range(TRIES):
            try:
                await self._send(name, alert)
            except RefusedByReceiverError as error:
                self._drop(name, alert, str(error))
                return
            except UnansweredError as error:
                problem = str(error)
                log.info("receiver %s: %s", name, problem)
            else:
                self.counted(name, "Sent")
                return
            if number < TRIES - 1:
                await asyncio.sleep(min(self.pause * 2**number, MAX_PAUSE))
        self._drop(name, alert, f"{TRIES} tries; the last: {problem}")

    async def _send(self, name: str, alert: Alert) -> None:
        """Ask the receiver once; what goes wrong is told without its address, which is a secret."""
        address = _address(self.receivers[name])
        try:
            async with (
                asyncio.timeout(SECONDS),
                self.session.post(address, json=asdict(alert), allow_redirects=False) as answer,
            ):
                status = answer.status
        except TimeoutError as error:
            raise UnansweredError(f"no answer within {SECONDS:g} s") from error
        except aiohttp.InvalidURL as error:
            raise UnansweredError("its address is no URL") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnansweredError(type(error).__name__) from error
        if status >= 500 or status in AGAIN:
            raise UnansweredError(f"status {status}")
        if status >= 300:
            raise RefusedByReceiverError(f"status {status}")

    def _drop(self, name: str, alert: Alert, why: str) -> None:
        log.warning("receiver %s was not told (%s): %s", name, why, alert.text)
        self.counted(name, "Dropped")


def alerts_of(
    observed: ObservedModel, resource_version: str, plan: Plan, cluster: str
) -> Iterator[tuple[Alert, tuple[str, ...]]]:
    """Return an alert for each event that somebody wants to be told, and the receivers.

    Args:
        observed: the model, whose ``spec.alerts`` says who wants to be told of which reasons.
        resource_version: of the snapshot, which makes the alert's id one of its own.
        plan: whose status has been written.
        cluster: as the settings name it.
    """
    wanted: list[Tree] = [a for a in observed.spec.get("alerts") or () if isinstance(a, Mapping)]
    for event in plan.events:
        receivers = tuple(
            str(entry.get("receiver")) for entry in wanted if event.reason in entry.get("on", ())
        )
        if receivers:
            yield alert_of(observed, resource_version, plan.status or {}, event, cluster), receivers


def alert_of(
    observed: ObservedModel, resource_version: str, status: Tree, event: Event, cluster: str
) -> Alert:
    """Return what is told of an event of a model, whose next status this is."""
    meta = observed.meta
    about = observed.status.get("candidate") or status.get("candidate") or status.get("production")
    unique = names.short(meta.uid, resource_version, event.reason, event.message, length=16)
    return Alert(
        id=unique,
        text=f"{meta.namespace}/{meta.name}: {event.reason}: {event.message}",
        type=event.type,
        reason=event.reason,
        message=event.message,
        namespace=meta.namespace,
        model=meta.name,
        generation=meta.generation,
        revision=(about or {}).get("revision"),
        run=(about or {}).get("run"),
        time=format_time(datetime.now(UTC)),
        url=status.get("url"),
        cluster=cluster,
    )


def _address(receiver: Receiver) -> str:
    """Return where a receiver is called: a Secret that is mounted may be another one by now.

    Raises:
        UnansweredError: the file cannot be read, or is empty.
    """
    if receiver.url_file is None:
        return receiver.url or ""
    try:
        address = Path(receiver.url_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnansweredError(f"{receiver.url_file} cannot be read") from error
    if not address:
        raise UnansweredError(f"{receiver.url_file} is empty")
    return address
