"""What an analysis needs of the platform, and the traffic that it may send itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.operator.core.test_model_analysis import analysed, asking, at
from tests.operator.model_builders import SETTINGS, served

from mt_operator.settings import Receiver, Settings


@pytest.mark.parametrize(
    ("analysis", "settings", "reason", "words"),
    [
        pytest.param(
            {"provider": "Prometheus"},
            SETTINGS,
            "NoPrometheus",
            "provider: Pods",
            id="no Prometheus",
        ),
        pytest.param(
            {"metrics": [{"name": "q", "query": "mine", "max": "1"}]},
            asking(),
            "UnknownQuery",
            "they know: asked",
            id="a query that the platform has not named",
        ),
    ],
)
def test_what_the_platform_does_not_know_stalls(
    analysis: Mapping[str, Any], settings: Settings, reason: str, words: str
) -> None:
    world = analysed(settings=settings, **analysis)
    world.settle()
    assert world.told("Stalled")["reason"] == reason
    assert words in world.told("Stalled")["message"]
    assert world.condition("Ready") == "True"


def test_synthetic_traffic_is_sent_while_a_weight_is_judged() -> None:
    world = analysed(syntheticTraffic={"requestsPerSecond": 2})
    at(10, world)
    (name,) = [name for name in world.jobs if "-traffic-" in name]
    job = world.jobs[name].manifest
    (container,) = job["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert env["MT_RATE"] == "2"
    for build in (world.candidate, world.production):
        assert f"{world.service_of(build)}-predictor." in env["MT_URLS"]
    world.run_until("UpToDate")
    assert not [name for name in world.jobs if "-traffic-" in name]


def test_alerts_to_a_receiver_that_the_platform_knows_are_accepted() -> None:
    world = served()
    world.change(alerts=[{"receiver": "team", "on": ["RolledBack"]}])
    world.settle()
    stalled = world.told("Stalled")
    assert stalled["reason"] == "UnknownReceiver"
    assert "no receiver 'team'; they know: none" in stalled["message"]
    world.settings = Settings(
        SETTINGS.images, gateways=SETTINGS.gateways, receivers={"team": Receiver("http://x")}
    )
    world.settle()
    assert world.condition("Stalled") is None
