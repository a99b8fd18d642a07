"""Decides which requests are logged, and makes their events."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from mt_predictor.kserve_model import is_synthetic
from mt_predictor.request_log.events import Body, Kind, Origin, event, printable
from mt_predictor.request_log.outbox import Bounds, Count, Outbox
from mt_predictor.request_log.settings import RequestLogSettings

ID_HEADER = "ce-id"  # of a request, as KServe's logger reads it: then it is the id of its events
_KINDS = {
    "All": frozenset(Kind),
    "Request": frozenset({Kind.REQUEST}),
    "Response": frozenset({Kind.RESPONSE}),
}


def _now() -> datetime:
    return datetime.now(UTC)


class RequestLog:
    """What is told of users' requests, and to whom."""

    def __init__(
        self,
        settings: RequestLogSettings,
        origin: Origin,
        count: Count,
        *,
        bounds: Bounds | None = None,
        chance: Callable[[], float] = random.random,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._settings = settings
        self._origin = origin
        self._bounds = bounds or Bounds()
        self._outbox = Outbox(count, self._bounds)
        self._chance = chance
        self._now = now

    def begin(self, headers: Mapping[str, str]) -> Exchange | None:
        """Return where a request with ``headers`` (lower case) is told, if it is logged at all."""
        if is_synthetic(headers) or self._chance() >= self._settings.sample:
            return None
        identity = printable(headers.get(ID_HEADER, "")) or str(uuid.uuid4())
        return Exchange(self, identity, self._now())

    def tell(self, kind: Kind, identity: str, body: Body, occurred: datetime | None = None) -> None:
        """Send an event of ``kind``, if the mode wants it, sooner or later or never."""
        if kind in _KINDS[self._settings.mode]:
            now = self._now()
            made = event(self._origin, kind, identity, body, occurred or now, now)
            self._outbox.put(made)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send what is told until the block ends, and then, for a while, what is left."""
        # Imported late: 8 MB that nobody needs who logs nothing.
        from mt_predictor.request_log.sink import connected

        async with (
            connected(self._settings.sink, self._bounds.senders) as sink,
            self._outbox.emptied(sink.deliver),
        ):
            yield


class Exchange:
    """One request, and its answer."""

    def __init__(self, log: RequestLog, identity: str, begun: datetime) -> None:
        self._log = log
        self._identity = identity
        self._begun = begun

    def asked(self, body: Body) -> None:
        """Tell the request, when it was read."""
        self._log.tell(Kind.REQUEST, self._identity, body, self._begun)

    def answered(self, body: Body) -> None:
        """Tell the answer, if it is none of an error: of those, KServe's logger tells nothing."""
        self._log.tell(Kind.RESPONSE, self._identity, body)
