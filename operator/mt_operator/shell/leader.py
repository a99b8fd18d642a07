"""Who may write: one process at a time, by a Lease, timed by the local monotonic clock alone.

The clocks of two machines are never compared. A holder counts from the moment before it sent its
renewal; everybody else counts from the moment at which they saw it: so the holder stops first.

    holder   ──renew──────────────renew──────────┤ stops writing: MARGIN before its time is over
    others      └── seen ── seen changed ────────────────┤ may take it
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from mt_operator.shell.api import Api, Object
from mt_operator.shell.errors import ApiError, NotLeadingError

log = logging.getLogger(__name__)


class Step(Enum):
    """What to do about the Lease now."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"


@dataclass(frozen=True)
class Seen:
    """A state of the Lease, and the local moment at which it was first seen."""

    version: str
    since: float


@dataclass(frozen=True)
class Term:
    """The Lease's place, who asks for it, and for how many seconds."""

    namespace: str
    name: str
    identity: str
    seconds: float = 15.0

    @property
    def margin(self) -> float:
        """Seconds before the end at which writing stops."""
        return self.seconds / 5

    @property
    def period(self) -> float:
        """Seconds between two looks at the Lease."""
        return self.seconds / 5


def look(lease: Object | None, seen: Seen | None, identity: str, now: float) -> tuple[Step, Seen]:
    """Return what to do about ``lease``, and what to remember of it.

    Args:
        lease: as it was just read, or None where there is none.
        seen: what the last look returned.
        identity: whose look this is.
        now: this moment on the local clock.
    """
    if lease is None:
        return Step.CREATE, Seen("", now)
    version = lease["metadata"]["resourceVersion"]
    if seen is None or seen.version != version:
        seen = Seen(version, now)
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity")
    if holder == identity:
        return Step.RENEW, seen
    if not holder or now - seen.since >= float(spec.get("leaseDurationSeconds") or 0):
        return Step.TAKE, seen
    return Step.WAIT, seen


class Leader:
    """This process' claim to be the one that writes."""

    def __init__(self, api: Api, term: Term, clock: Callable[[], float]) -> None:
        """Ask for ``term`` through ``api``, which must not be fenced by this claim."""
        self._api = api
        self._term = term
        self._clock = clock
        self._seen: Seen | None = None
        self._until = float("-inf")
        self._leads = asyncio.Event()

    @property
    def leads(self) -> bool:
        """Whether this process may write now."""
        return self._clock() < self._until - self._term.margin

    async def wait(self) -> None:
        """Wait until this process may write."""
        while not self.leads:
            self._leads.clear()
            await self._leads.wait()

    def fence(self) -> float:
        """Return within how many seconds a write that begins now has to be over.

        Raises:
            NotLeadingError: it may not begin.
        """
        left = self._until - self._term.margin - self._clock()
        if left <= 0:
            raise NotLeadingError("another process may lead by now: nothing is written")
        return left + self._term.margin / 2

    async def run(self) -> None:
        """Ask for the Lease, and renew it, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._term.period * 2):
                    await self.step()
            except (ApiError, TimeoutError) as error:
                log.warning("the lease could not be kept: %s", str(error) or "no answer")
            await asyncio.sleep(self._term.period)

    async def step(self) -> None:
        """Look at the Lease once, and write it if it is ours or free."""
        lease = await self._api.get("Lease", self._term.namespace, self._term.name)
        now = self._clock()
        step, self._seen = look(lease, self._seen, self._term.identity, now)
        if step is Step.WAIT:
            self._until = float("-inf")
            return
        if step is not Step.RENEW:
            log.info("leading: %s the lease %s", step.value, self._term.name)
        manifest = self._manifest(lease, step)
        send = self._api.create if lease is None else self._api.replace
        written = await send(manifest)
        self._seen = Seen(written["metadata"]["resourceVersion"], now)
        self._until = now + self._term.seconds
        self._leads.set()

    async def release(self) -> None:
        """Give the Lease back, so that another process need not wait for its end."""
        held, self._until = self.leads, float("-inf")
        if not held:
            return
        try:
            lease = await self._api.get("Lease", self._term.namespace, self._term.name)
            if lease is not None and lease["spec"].get("holderIdentity") == self._term.identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._api.replace(_typed(lease))
        except ApiError as error:
            log.warning("the lease could not be given back: %s", error)

    def _manifest(self, lease: Object | None, step: Step) -> Object:
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # for people only
        name = {"name": self._term.name, "namespace": self._term.namespace}
        old = lease or {"metadata": name, "spec": {}}
        spec = dict(old.get("spec") or {}) | {
            "holderIdentity": self._term.identity,
            "leaseDurationSeconds": max(1, round(self._term.seconds)),
            "renewTime": moment,
        }
        if step is not Step.RENEW:
            spec |= {
                "acquireTime": moment,
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (lease is not None),
            }
        return _typed(dict(old) | {"spec": spec})


def _typed(lease: Object) -> Object:
    return lease | {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
