"""Alerts: who is told what, and what becomes of it where the receiver is slow, broken or away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.operator.shell.exporter import listening
from tests.operator.shell.stage import until

from mt_contract.defaults import Images
from mt_operator.core.observed import Meta, ObservedModel
from mt_operator.core.plan import Event, Plan
from mt_operator.settings import Receiver, Settings
from mt_operator.shell import alerts
from mt_operator.shell.alerts import Alert, Alerts, alerts_of

META = Meta("pt-en", "team-a", "uid", generation=7)
CANDIDATE = {"revision": "r-2", "run": "pt-en-2", "stage": "RollingBack"}
PRODUCTION = {"revision": "r-1", "run": "pt-en-1"}
ROLLED_BACK = Event("Warning", "RolledBack", "r-2 had 5 % errors")


def observed(**wanted: tuple[str, ...]) -> ObservedModel:
    spec = {"alerts": [{"receiver": name, "on": list(on)} for name, on in wanted.items()]}
    status = {"candidate": CANDIDATE, "production": PRODUCTION}
    now = datetime(2026, 11, 21, tzinfo=UTC)
    return ObservedModel(now, META, spec, status, Settings(Images("t", "p")))


def told(model: ObservedModel, *events: Event, version: str = "5") -> list[tuple[Alert, Any]]:
    plan = Plan(status={"production": PRODUCTION, "url": "http://pt-en"}, events=events)
    return list(alerts_of(model, version, plan, "prod-eu"))


def test_alert_says_what_happened_to_whom() -> None:
    ((alert, receivers),) = told(observed(team=("RolledBack",)), ROLLED_BACK)
    assert receivers == ("team",)
    assert alert.text == "team-a/pt-en: RolledBack: r-2 had 5 % errors"
    assert (alert.namespace, alert.model, alert.generation) == ("team-a", "pt-en", 7)
    assert (alert.revision, alert.run) == ("r-2", "pt-en-2")
    assert (alert.reason, alert.type) == ("RolledBack", "Warning")
    assert (alert.url, alert.cluster) == ("http://pt-en", "prod-eu")
    assert datetime.fromisoformat(alert.time).tzinfo is not None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({}, [], id="nobody asked"),
        pytest.param({"team": ("GateFailed",)}, [], id="asked for something else"),
        pytest.param(
            {"team": ("RolledBack",), "boss": ("Aborted", "RolledBack")},
            [("team", "boss")],
            id="both asked",
        ),
    ],
)
def test_who_is_told(wanted: dict[str, tuple[str, ...]], expected: list[Any]) -> None:
    found = told(observed(**wanted), ROLLED_BACK)
    assert [receivers for _, receivers in found] == expected


def test_same_event_of_another_status_is_another_alert() -> None:
    model = observed(team=("RolledBack",))
    ids = {told(model, ROLLED_BACK, version=v)[0][0].id for v in ("5", "5", "6")}
    assert len(ids) == 2


class Service:
    """A webhook that answers as it is told, and keeps what it got."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.got: list[dict[str, Any]] = []

    async def hook(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        status = self.answers.pop(0) if self.answers else 200
        if not status:  # never answers
            await asyncio.sleep(60)
        return web.Response(status=status, headers={"Location": "/elsewhere"})


def alert(name: str = "1") -> Alert:
    ((made, _),) = told(observed(team=("RolledBack",)), Event("Warning", "RolledBack", name))
    return made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def outcomes() -> Counter[tuple[str, str]]:
    return Counter()


def made(session: aiohttp.ClientSession, outcomes: Any, **receivers: Receiver) -> Alerts:
    def counted(receiver: str, outcome: str) -> None:
        outcomes[receiver, outcome] += 1

    return Alerts(session, receivers, counted, pause=0.001)


@pytest.mark.parametrize(
    ("answers", "asked", "outcome"),
    [
        pytest.param([], 1, "Sent", id="well"),
        pytest.param([500, 503], 3, "Sent", id="recovers"),
        pytest.param([429, 408], 3, "Sent", id="busy"),
        pytest.param([0], 2, "Sent", id="does not answer once"),
        pytest.param([500] * 10, 10, "Dropped", id="broken for good"),
        pytest.param([400], 1, "Dropped", id="refuses"),
        pytest.param([302], 1, "Dropped", id="sends us elsewhere"),
    ],
)
async def test_receiver(
    answers: list[int],
    asked: int,
    outcome: str,
    session: aiohttp.ClientSession,
    outcomes: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alerts, "SECONDS", 0.3 if 0 in answers else 10.0)
    service = Service(*answers)
    async with listening(service.hook, path="/hook") as port:
        receiver = Receiver(url=f"http://127.0.0.1:{port}/hook")
        telling = made(session, outcomes, team=receiver)
        async with telling.at_work():
            telling.announce(alert(), ["team"])
    assert len(service.got) == asked
    assert len({got["id"] for got in service.got}) == 1
    assert outcomes == {("team", outcome): 1}


async def test_receiver_that_never_answers_delays_nobody(
    session: aiohttp.ClientSession, outcomes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "LAST_SECONDS", 0.0)
    dead, good = Service(*[0] * 99), Service()

    async def told_apart() -> bool:
        return (len(good.got), len(dead.got)) == (3, 1)

    async with (
        listening(dead.hook, path="/hook") as one,
        listening(good.hook, path="/hook") as other,
    ):
        hook = "http://127.0.0.1:{}/hook".format
        receivers = {"dead": Receiver(url=hook(one)), "good": Receiver(url=hook(other))}
        telling = made(session, outcomes, **receivers)
        async with telling.at_work():
            for number in range(3):
                telling.announce(alert(str(number)), ["dead", "good"])
            await until(told_apart, 30)
    assert [got["message"] for got in good.got] == ["0", "1", "2"]
    assert outcomes == {("good", "Sent"): 3, ("dead", "Dropped"): 3}


async def test_what_waits_is_bounded_and_what_is_dropped_is_logged(
    session: aiohttp.ClientSession,
    outcomes: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(alerts, "WAITING", 2)
    monkeypatch.setattr(alerts, "LAST_SECONDS", 0.0)
    telling = made(session, outcomes, team=Receiver(url="http://127.0.0.1:1/"))
    async with telling.at_work():
        for number in range(5):
            telling.announce(alert(str(number)), ["team", "nobody"])
    assert outcomes["team", "Dropped"] == 5
    assert outcomes["nobody", "Dropped"] == 5
    assert "team-a/pt-en: RolledBack: 4" in caplog.text
    assert "no receiver of this name" in caplog.text


async def test_address_is_read_when_it_is_needed_and_never_logged(
    session: aiohttp.ClientSession, outcomes: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    secret, service = tmp_path / "url", Service(500)

    async def unread() -> bool:
        return "cannot be read" in caplog.text

    async def unusable() -> bool:
        return "is no URL" in caplog.text

    async with listening(service.hook, path="/secret-token") as port:
        telling = made(session, outcomes, team=Receiver(url_file=str(secret)))
        telling.pause = 0.02
        async with telling.at_work():
            telling.announce(alert(), ["team"])
            await until(unread, 30)
            secret.write_text("no address/secret-token\n")
            await until(unusable, 30)
            secret.write_text(f"http://127.0.0.1:{port}/secret-token\n")
    assert outcomes == {("team", "Sent"): 1}
    assert "secret-token" not in caplog.text
