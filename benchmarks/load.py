"""The load of ``serving-http``, in a process of its own: an open loop of Poisson arrivals.

A request is sent when its time has come, whatever became of those before it, and its latency counts
from that time: a server that stalls is charged for everything that it holds up. Connections are
kept alive, as many as are needed. Each order is a line of JSON on standard input, answered by one:

    python -m benchmarks.load TEXTS        # JSON: [[text, its translation offline], …]
    {"do": "offer", "port": 8080, "protocol": "v1", "rate": 90, "seconds": 4, "seed": 1, …}
    {"do": "lone", "port": 8080, "protocol": "v1", "count": 50, "pause": 0.02, "seed": 1}
"""

from __future__ import annotations

import asyncio
import collections
import json
import math
import random
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter  # a loop's time is of whole milliseconds
from typing import Any

import uvloop

from benchmarks.load_client import READY, Pool, get, question, translation

LIMIT, SHARE = 0.5, 0.99  # seconds that this share of the requests has to be answered within
TAIL, DRAIN = 3.0, 15.0  # seconds of further load, and of waiting, until those that count are done
PROBE_EVERY, LOOK_EVERY = 0.05, 0.05
Texts = Sequence[tuple[str, str]]
Order = Mapping[str, Any]


class Window:
    """One window of load on one server."""

    def __init__(self, order: Order, texts: Texts) -> None:
        """Take the order: ``rate`` (a second), ``seconds``, ``seed``, and whom to ask.

        With ``probe`` readiness is asked for meanwhile; with ``give_up`` the load ends as soon as
        too many requests are late for the window to be passed.
        """
        self._order, self._texts = order, texts
        self._pool, self._probes = Pool(order["port"]), Pool(order["port"])
        self._requests = [question(order["protocol"], text) for text, _ in texts]
        self._waiting: dict[int, float] = {}  # when each that counts was meant to be sent
        self._latencies: list[float] = []  # of those that count; infinite without a translation
        self._statuses: collections.Counter[int] = collections.Counter()
        self._answers: list[tuple[int, bytes]] = []  # text, body
        self._lags: list[float] = []
        self._health: list[float] = []
        self._gave_up = False

    async def run(self) -> dict[str, Any]:
        """Offer the load; return what came of it, once those that count are answered."""
        background = [asyncio.create_task(self._look())]
        if self._order.get("probe"):
            background.append(asyncio.create_task(self._probe()))
        tasks = await self._send()
        if tasks:  # the others as well: the next window begins with a server that has nothing to do
            await asyncio.wait(tasks, timeout=DRAIN)
        for task in background:
            task.cancel()
        self._latencies += [math.inf] * len(self._waiting)
        self._pool.close()
        self._probes.close()
        await asyncio.gather(*tasks)
        return self._told()

    async def _send(self) -> list[asyncio.Task[None]]:
        chance = random.Random(self._order["seed"])
        begin = at = perf_counter() + 0.01
        end = begin + self._order["seconds"]
        tasks, number = list[asyncio.Task[None]](), 0
        while not self._gave_up:
            at += chance.expovariate(self._order["rate"])
            if at > end and (not self._waiting or at > end + TAIL):
                break
            if (delay := at - perf_counter()) > 0:
                await asyncio.sleep(delay)
            text, counts = chance.randrange(len(self._texts)), at <= end
            if counts:
                self._waiting[number] = at
                self._lags.append(perf_counter() - at)
            tasks.append(asyncio.create_task(self._ask(number, text, at, counts)))
            number += 1
        return tasks

    async def _ask(self, number: int, text: int, at: float, counts: bool) -> None:
        answer = await self._pool.ask(self._requests[text])
        if not counts or number not in self._waiting:
            return
        del self._waiting[number]
        self._statuses[answer.status] += 1
        seconds = perf_counter() - at
        self._latencies.append(seconds if answer.status == 200 else math.inf)
        if answer.status == 200:
            self._answers.append((text, answer.body))

    async def _look(self) -> None:
        """Give up where too many are late already, if the order says so."""
        allowed = (1 - SHARE) * self._order["rate"] * self._order["seconds"]
        while self._order.get("give_up"):
            await asyncio.sleep(LOOK_EVERY)
            overdue = perf_counter() - LIMIT
            late = sum(at < overdue for at in self._waiting.values())
            late += sum(seconds > LIMIT for seconds in self._latencies)
            self._gave_up = self._gave_up or late > allowed + 3 * math.sqrt(allowed)

    async def _probe(self) -> None:
        request, at = get(READY[self._order["protocol"]]), perf_counter()
        while True:
            at += PROBE_EVERY
            await asyncio.sleep(max(0.0, at - perf_counter()))
            answer = await self._probes.ask(request)
            self._health.append(perf_counter() - at if answer.status == 200 else math.inf)

    def _told(self) -> dict[str, Any]:
        protocol = self._order["protocol"]
        flips = sum(
            translation(protocol, body) != self._texts[text][1] for text, body in self._answers
        )
        met = not self._gave_up and quantile(self._latencies, SHARE) <= LIMIT
        return {
            "requests": len(self._latencies),
            "statuses": {str(status): count for status, count in self._statuses.items()},
            "met": met,
            "p50_ms": _ms(quantile(self._latencies, 0.5)),
            "p99_ms": _ms(quantile(self._latencies, SHARE)),
            "lag_p99_ms": _ms(quantile(self._lags, 0.99)),
            "health_p99_ms": _ms(quantile(self._health, 0.99)) if self._health else None,
            "probes": len(self._health),
            "flips": flips,
        }


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least value that ``share`` of all do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.inf


async def offer(order: Order, texts: Texts) -> dict[str, Any]:
    """Offer a window of load."""
    return await Window(order, texts).run()


async def lone(order: Order, texts: Texts) -> dict[str, Any]:
    """Ask one at a time, with pauses; return the milliseconds of each."""
    pool, seconds = Pool(order["port"]), list[float]()
    for number in chosen(order, len(texts)):
        await asyncio.sleep(order["pause"])
        begun = perf_counter()
        answer = await pool.ask(question(order["protocol"], texts[number][0]))
        seconds.append(perf_counter() - begun)
        if answer.status != 200:
            raise RuntimeError(f"a lone request was answered with {answer.status}")
    pool.close()
    return {"ms": [1e3 * one for one in seconds]}


def chosen(order: Order, count: int) -> list[int]:
    """Return the texts that a "lone" order means, the same for whoever is asked."""
    return random.Random(order["seed"]).choices(range(count), k=order["count"])


def _ms(seconds: float) -> float | None:
    return 1e3 * seconds if math.isfinite(seconds) else None


async def _serve(texts: Texts) -> None:
    verbs: Mapping[str, Callable[[Order, Texts], Awaitable[Mapping[str, Any]]]] = {
        "offer": offer,
        "lone": lone,
    }
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        print(json.dumps(await verbs[order["do"]](order, texts)), flush=True)


if __name__ == "__main__":
    known = [(text, wanted) for text, wanted in json.loads(Path(sys.argv[1]).read_bytes())]
    uvloop.run(_serve(known))
