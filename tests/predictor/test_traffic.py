"""Synthetic traffic: its rate, its endpoints that come and go, its end."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.ports import free_ports
from tests.predictor.builders import run_folder, sentences
from tests.predictor.running import Running, environment, labels

from mt_contract.errors import ConfigurationError
from mt_predictor import traffic
from mt_predictor.asking import Client, UnreachableError


def job(tmp_path: Path, *urls: str, **changes: str) -> dict[str, str]:
    return {
        "MT_OUTPUT": str(tmp_path / "run"),
        "MT_URLS": json.dumps(urls),
        "MT_MODEL": "toy",
        "MT_RATE": "50",
    } | changes


class Clock:
    """A time that passes only while it is waited for; ``busy`` seconds pass at every offer."""

    def __init__(self, until: float) -> None:
        self.time = 0.0
        self._until = until

    def now(self) -> float:
        return self.time

    def stopped(self, seconds: float) -> bool:
        self.time += seconds
        return self.time >= self._until


class Endpoint:
    """Remembers what it was offered, and when."""

    def __init__(self, clock: Clock, takes: float = 0.0) -> None:
        self.offers: list[tuple[float, str]] = []
        self._clock, self._takes = clock, takes

    def offer(self, text: str) -> None:
        self.offers.append((round(self._clock.time, 6), text))
        self._clock.time += self._takes


def test_every_endpoint_is_sent_the_same_at_the_asked_rate() -> None:
    clock = Clock(until=2.0)
    one, two = Endpoint(clock), Endpoint(clock)
    traffic.send(["a", "b", "c"], [one, two], 0.5, clock.stopped, clock.now)  # type: ignore[list-item]
    assert one.offers == [(0.0, "a"), (0.5, "b"), (1.0, "c"), (1.5, "a")]
    assert two.offers == [(0.25, "a"), (0.75, "b"), (1.25, "c"), (1.75, "a")]


def test_what_is_late_is_made_up_for() -> None:
    clock = Clock(until=2.0)
    endpoint = Endpoint(clock, takes=0.1)
    traffic.send(["a"], [endpoint], 0.5, clock.stopped, clock.now)  # type: ignore[list-item]
    assert [moment for moment, _ in endpoint.offers] == [0.0, 0.5, 1.0, 1.5]


def test_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clock = Clock(until=150.0)
    target = traffic.Target("http://127.0.0.1:1", "toy", workers=0)
    target.counts.update(answered=3, unreachable=1)
    target._texts = queue.Queue(10_000)
    traffic.send(["a"], [target], 0.5, clock.stopped, clock.now)
    assert caplog.messages == ["http://127.0.0.1:1: 3 answered, 1 unreachable"] * 2


def test_an_endpoint_that_hangs_is_not_queued_for() -> None:
    target = traffic.Target("http://127.0.0.1:1", "toy", workers=0)
    target._texts = queue.Queue(3)
    for _ in range(5):
        target.offer("a")
    assert target.counts == {"held back": 2}


def broken(error: Exception) -> Callable[[Client, str], None]:
    def ask(self: Client, text: str) -> None:
        raise error

    return ask


@pytest.mark.parametrize(
    ("error", "word"),
    [
        pytest.param(UnreachableError("refused"), "unreachable", id="nobody there"),
        pytest.param(UnicodeError("label too long"), "UnicodeError", id="what nobody foresaw"),
    ],
)
def test_no_failure_ends_it(monkeypatch: pytest.MonkeyPatch, error: Exception, word: str) -> None:
    monkeypatch.setattr(Client, "ask", broken(error))
    assert traffic.outcome(Client("http://nowhere", "toy", "MT_URLS"), "a") == word


def test_a_real_predictor_gets_it_marked_while_another_is_gone(
    server: Running, tmp_path: Path
) -> None:
    run_folder(tmp_path, [(text, "x") for text in sentences(5)])
    gone = f"http://127.0.0.1:{free_ports(1)[0]}"
    env = environment(tmp_path, **job(tmp_path, server.url, gone))
    synthetic = labels("translation_synthetic_requests_total", revision="r-toy", code="200")
    users = labels("translation_requests_total", revision="r-toy", code="200")
    before = server.metrics()
    process = subprocess.Popen(
        [sys.executable, "-m", "mt_predictor", "traffic"], env=env, stderr=subprocess.PIPE
    )
    for _ in range(3000):
        if server.metrics()[synthetic] >= before[synthetic] + 20 or process.poll() is not None:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    after = server.metrics()
    assert process.returncode == traffic.STOPPED, log.decode()
    assert after[synthetic] >= before[synthetic] + 20
    assert after[users] == before[users]
    assert f"{gone}: ".encode() in log
    assert b"unreachable" in log


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"MT_URLS": "[]"}, "MT_URLS is '\\[\\]'", id="no endpoint"),
        pytest.param({"MT_URLS": "http://a"}, "as a JSON list", id="no list"),
        pytest.param({"MT_URLS": "[1]"}, "as a JSON list", id="no strings"),
        pytest.param({"MT_URLS": '["toy"]'}, "MT_URLS has 'toy'", id="no URL"),
        pytest.param({"MT_RATE": "0"}, "MT_RATE is '0'", id="no rate"),
        pytest.param({"MT_MODEL": ""}, "MT_MODEL is not set", id="no model"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    run_folder(tmp_path, [("a", "b")])
    with pytest.raises(ConfigurationError, match=message):
        traffic.run(job(tmp_path, "http://127.0.0.1:1", **changes))
