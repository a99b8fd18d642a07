"""The sink: where each event is posted once, over connections that are kept.

A redirect is not followed: texts go to the address that the model's owner wrote and to no other.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

import aiohttp

from mt_predictor.request_log.events import Event
from mt_predictor.request_log.outbox import Outcome

SEND_SECONDS = 5.0  # for one event, from its connection to the end of the answer
QUIET_SECONDS = 60.0  # between two lines of the log
MAX_ANSWER = 64 << 10  # bytes of an answer that are read, so that the connection can be kept
_KEPT_SECONDS = 4.0  # less than common servers do, or events would be lost to closed connections
_log = logging.getLogger(__name__)


class Sink:
    """Posts events to one address, and says now and then that it cannot."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, clock: Callable[[], float]
    ) -> None:
        self._session = session
        self._url = url
        self._clock = clock
        self._quiet_until = float("-inf")

    async def deliver(self, event: Event) -> Outcome:
        """Return what became of ``event``."""
        try:
            async with self._session.post(
                self._url, data=event.body, headers=event.headers, allow_redirects=False
            ) as response:
                await _read(response.content)
                status = response.status
        except Exception as error:  # of aiohttp, TLS, and names that cannot be encoded
            self._complain(f"{type(error).__name__}: no answer")
            return Outcome.FAILED
        if 200 <= status < 300:
            return Outcome.SENT
        self._complain(f"status {status}")
        return Outcome.REFUSED

    def _complain(self, what: str) -> None:
        """Say what is wrong, without the address: its path may be a secret."""
        now = self._clock()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            _log.warning(
                "the request log's sink does not take events (%s): they are lost, and counted by "
                "translation_request_log_total; see serving.requestLog.sink",
                what,
            )


@asynccontextmanager
async def connected(url: str, senders: int, seconds: float = SEND_SECONDS) -> AsyncIterator[Sink]:
    """Hold the connections to ``url``: at most ``senders``, ``seconds`` for each event."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=senders, keepalive_timeout=_KEPT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=seconds),
        headers={"User-Agent": "mt-predictor"},
        auto_decompress=False,
    ) as session:
        yield Sink(session, url, monotonic)


async def _read(content: aiohttp.StreamReader) -> None:
    left = MAX_ANSWER
    while left > 0 and (piece := await content.read(left)):
        left -= len(piece)
