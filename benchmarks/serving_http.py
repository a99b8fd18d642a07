"""``serving-http``: how many requests a second does one core answer in half a second?

Every server runs on one core, with one thread of the same engine on the same files; the load, a
process of its own, on another. They take turns: while one is measured, the others are held up.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure

from benchmarks import serving_model
from benchmarks.environments import environment, versions
from benchmarks.peers_http_servers import (
    LOAD_CORE,
    OURS,
    SERVER_CORE,
    STOCK,
    Running,
    answered,
    asked,
    contestants,
    ended,
    program,
    running,
)
from benchmarks.report import Figure, Result, figure, publish
from mt_contract import defaults

ROUNDS, LEAST = 5, 5
WINDOW, OVERLOAD, GLANCE = 3.0, 5.0, 1.5  # seconds
STEP = 1.06  # from one rate to the next
FIRST = 40.0  # requests a second, where the search begins
LONE, PAUSE = 40, 0.02  # lone requests a round, and seconds between two
TEXTS = 600
SEED = 42


@dataclass
class Found:
    """What was seen of a contestant."""

    rates: list[float] = field(default_factory=list)  # the highest passed, one a round
    windows: list[Mapping[str, Any]] = field(default_factory=list)  # that passed
    overload: list[Mapping[str, Any]] = field(default_factory=list)
    memory_mib: float = 0.0


def run(scale: float, processes: int) -> None:
    """Measure, print, and write JSON and picture."""
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for a server, one for the load")
    model = serving_model.served_model()
    texts = random.Random(SEED).sample(serving_model.sentences(), TEXTS)
    rounds, window = max(LEAST, round(ROUNDS * scale)), WINDOW * min(1.0, scale)
    with tempfile.TemporaryDirectory(prefix="serving-http-") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        files = (str(folder / "texts.json"),)
        offline = stack.enter_context(
            ended(program("peers_http_offline", [SERVER_CORE], str(model), *files))
        )
        answered(offline)
        load = stack.enter_context(ended(program("load", [LOAD_CORE], *files)))
        all_ = [
            stack.enter_context(running(one, folder, [SERVER_CORE]))
            for one in contestants(model, folder)
        ]
        bench = Bench(load, offline, {one.contestant.name: one for one in all_}, window)
        told = bench.measure(rounds)
    _publish(bench, told, rounds)


class Bench:
    """All contestants, and the load."""

    def __init__(
        self,
        load: Popen[str],
        offline: Popen[str],
        servers: Mapping[str, Running],
        window: float,
    ) -> None:
        """Hold all up; ``window`` in seconds."""
        self._load, self._offline, self._servers, self.window = load, offline, servers, window
        self._seed = SEED
        self.found = {name: Found() for name in servers}
        self.overhead: list[list[float]] = []  # ms of each lone request, by round
        self.lone: list[list[float]] = []
        for server in servers.values():
            server.hold()

    def measure(self, rounds: int) -> list[float]:
        """Measure all, round by round; return the machine's load before each."""
        start = {name: self._turn(name, self._coarse) for name in self._servers}
        busy = []
        for number in range(rounds):
            busy.append(round(os.getloadavg()[0], 1))
            # Every round begins with another one, so that none has a place of its own.
            names = list(self._servers)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                rates = self.found[name].rates
                last = number == rounds - 1
                begin = rates[-1] if rates and rates[-1] else start[name]
                self._turn(name, lambda name, b=begin, o=last: self._round(name, b, o))
            self._turn(OURS, self._lone)
        return busy

    def _turn(self, name: str, what: Callable[[str], Any]) -> Any:
        server = self._servers[name]
        server.go_on()
        try:
            return what(name)
        finally:
            server.hold()

    def _coarse(self, name: str) -> float:
        """Return a rate near the highest: doubled as long as a glance passes, then halved in."""
        passed, rate = 0.0, FIRST
        while passed < rate:
            if self._offer(name, rate, GLANCE)["met"]:
                passed, rate = rate, 2 * rate
            elif not passed and rate < 8 * FIRST:
                rate *= 2  # a batcher that waits for its batch passes no low rate
            else:
                break
        if not passed:
            return FIRST
        low, high = passed, rate
        while high > low * STEP**2:
            middle = (low * high) ** 0.5
            low, high = (
                (middle, high) if self._offer(name, middle, GLANCE)["met"] else (low, middle)
            )
        return low

    def _round(self, name: str, begin: float, last: bool) -> None:
        found = self.found[name]
        found.rates.append(self._highest(name, begin))
        if name == OURS or last:
            twice = 2 * statistics.median(found.rates)
            order = {"probe": True, "give_up": False}
            found.overload.append(self._offer(name, twice, OVERLOAD, **order))
        found.memory_mib = self._servers[name].memory_mib()
        if not self._servers[name].alive:
            raise RuntimeError(f"{name} ended")

    def _highest(self, name: str, rate: float) -> float:
        """Return the highest rate that passes, by steps from ``rate``; 0 if none near it does."""
        offered = self._offer(name, rate, self.window)
        if offered["met"]:
            while offered["met"]:
                self.found[name].windows.append(offered)
                rate *= STEP
                offered = self._offer(name, rate, self.window)
            return rate / STEP
        for _ in range(24):
            rate /= STEP
            offered = self._offer(name, rate, self.window)
            if offered["met"]:
                self.found[name].windows.append(offered)
                return rate
        return 0.0

    def _lone(self, name: str) -> None:
        """Ask for the same texts one at a time, over HTTP and in process."""
        self._seed += 1
        order = {"do": "lone", "count": LONE, "pause": PAUSE, "seed": self._seed}
        http = asked(self._load, order | self._whom(name))["ms"]
        inside = asked(self._offline, order)["ms"]
        self.lone.append(http)
        self.overhead.append([a - b for a, b in zip(http, inside, strict=True)])

    def _offer(self, name: str, rate: float, seconds: float, **more: bool) -> dict[str, Any]:
        self._seed += 1
        order = {"do": "offer", "rate": rate, "seconds": seconds, "seed": self._seed}
        return asked(self._load, {"give_up": True} | order | self._whom(name) | more)

    def _whom(self, name: str) -> dict[str, Any]:
        contestant = self._servers[name].contestant
        return {"port": contestant.port, "protocol": contestant.protocol}


def _publish(bench: Bench, busy: Sequence[float], rounds: int) -> None:
    setup = {
        "model": serving_model.described(),
        "texts": f"{TEXTS} test sentences of {serving_model.CORPUS}, one a request",
        "engine": defaults.ENGINE,
        "cores": "a server: one, one thread of the engine; the load: another",
        "passed": "99 % of the requests of a window answered with 200 within 500 ms of their time",
        "seconds a window": bench.window,
        "step between rates": STEP,
        "rounds": rounds,
        "seed": SEED,
        "batches of the others": "32 requests at most; KServe's waits 500 ms, the others 50 ms",
        "load of the machine, before each round": busy,
        "lag of the load, p99 in ms": max(
            window["lag_p99_ms"] for one in bench.found.values() for window in one.windows
        ),
        "peers": _versions(),
    }
    result = Result("serving-http", setup, _figures(bench))
    publish(result, _rows(bench.found), _picture(bench.found))


def _versions() -> dict[str, str]:
    ours = versions(environment("predictor"), "kserve", "ctranslate2", "uvicorn", "fastapi")
    return (
        ours
        | versions(environment("litserve"), "litserve")
        | versions(environment("mlserver"), "mlserver")
    )


def _figures(bench: Bench) -> list[Figure]:
    found = bench.found
    ours, others = found[OURS], [one for name, one in found.items() if name != OURS]
    stock = [a / b for a, b in zip(ours.rates, found[STOCK].rates, strict=True) if b]
    best = [a / max(b) for a, *b in zip(ours.rates, *(one.rates for one in others), strict=True)]
    overhead = [statistics.median(one) for one in bench.overhead]
    figures = [
        figure("ratio_vs_stock_kserve", "", stock, ">= 10"),
        figure("ratio_vs_best_other", "", best, ">= 1.5"),
        figure("idle_overhead_ms_p50", "ms", overhead, "<= 0.5"),
        figure("health_p99_ms_overload", "ms", _health(ours), "<= 20"),
        figure("share_503_overload", "", [_share(one, "503") for one in ours.overload]),
        figure("idle_ms_p50", "ms", [statistics.median(one) for one in bench.lone]),
    ]
    for name, one in found.items():
        flips = [window["flips"] / window["requests"] for window in one.windows] or [0.0]
        figures += [
            figure(f"requests_per_second: {name}", "1/s", one.rates),
            figure(f"flip_rate: {name}", "", flips),
            figure(f"memory_mib: {name}", "MiB", [one.memory_mib]),
        ]
    return figures


def _health(one: Found) -> list[float]:
    """Return the 99th percentiles; a probe that was never answered waited for the whole window."""
    return [w["health_p99_ms"] or 1e3 * OVERLOAD for w in one.overload]


def _share(window: Mapping[str, Any], status: str) -> float:
    return float(window["statuses"].get(status, 0) / window["requests"])


def _rows(found: Mapping[str, Found]) -> list[Sequence[str]]:
    head = ("server", "requests/s", "MiB", "flips", "503 at 2x", "health p99 at 2x", "200 p50")
    rows: list[Sequence[str]] = [head]
    for name, one in found.items():
        flips = sum(w["flips"] for w in one.windows)
        of = sum(w["requests"] for w in one.windows)
        shed = statistics.median(_share(w, "503") for w in one.overload)
        middle = statistics.median(w["p50_ms"] for w in one.windows) if one.windows else 0.0
        rows.append(
            (
                name,
                f"{statistics.median(one.rates):.0f}",
                f"{one.memory_mib:.0f}",
                f"{flips}/{of}",
                f"{shed:.0%}",
                f"{statistics.median(_health(one)):.0f} ms",
                f"{middle:.0f} ms",
            )
        )
    return rows


def _picture(found: Mapping[str, Found]) -> MplFigure:
    picture, axes = plt.subplots(figsize=(8, 2.8))
    middle = [statistics.median(one.rates) for one in found.values()]
    spread = [
        [value - min(one.rates) for value, one in zip(middle, found.values(), strict=True)],
        [max(one.rates) - value for value, one in zip(middle, found.values(), strict=True)],
    ]
    colors = ["#1b6ca8" if name == OURS else "#b8b8b8" for name in found]
    bars = axes.barh(list(found), middle, xerr=spread, color=colors, ecolor="#555555")
    axes.bar_label(bars, labels=[f"{value:,.0f}" for value in middle], padding=6)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_title("requests a second on one core, 99 % within 500 ms", fontsize=10)
    picture.tight_layout()
    return picture
