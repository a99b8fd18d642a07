"""Live judgement on a real API server: predictors are read, users kept safe, people told."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from aiohttp import web
from tests.operator.shell.exporter import listening
from tests.operator.shell.predictors import Behaviour
from tests.operator.shell.stage import (
    SETTINGS,
    Stage,
    condition,
    model,
    rejected,
    until,
    up_to_date,
)

from mt_contract import names

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]
STEPS = [
    {"setWeight": 10},
    {"pause": {"duration": "2s"}},
    {"setWeight": 50},
    {"pause": {"duration": "2s"}},
    {"setWeight": 100},
]
# Few requests settle these: a slow machine must not hold a candidate for lack of data.
METRICS = [
    {"name": "errors", "builtin": "ErrorRate", "max": "0.1"},
    {"name": "empty", "builtin": "EmptyFraction", "max": "0.1"},
    {"name": "restarts", "builtin": "Restarts", "max": "0"},
    {"name": "latency", "builtin": "LatencyP99", "maxRatio": "1.5", "dryRun": True},
]
ANALYSIS = {"interval": "1s", "minRequests": 50, "metrics": METRICS}
ALERTS = [{"receiver": "team", "on": ["AnalysisFailed", "RolledBack"]}]


def judged(stage: Stage, **spec: Any) -> dict[str, Any]:
    rollout = {"steps": STEPS, "scaleDownDelay": "1s", "analysis": ANALYSIS}
    return model(stage.namespace, seed=1, rollout=rollout, **spec)


def after_blessing(stage: Stage) -> Counter[str]:
    """Return the writes that followed the last one about a run: it was the run's blessing."""
    writes = [f"{verb} {what}" for verb, what, _ in stage.audited()]
    last = max(place for place, what in enumerate(writes) if what.endswith("trainingruns/status"))
    return Counter(writes[last + 1 :])


async def test_good_candidate_is_promoted_in_few_writes(stage: Stage) -> None:
    stage.world.predictors.requests = 4000
    operator = stage.operator()
    operator.start()
    await stage.kube.put(judged(stage))
    first = await stage.until(up_to_date)

    stage.mark()
    await stage.change(training={"seed": 2})
    second = await stage.until(up_to_date)
    await stage.settled()
    assert second["status"]["production"]["revision"] != first["status"]["production"]["revision"]
    writes = after_blessing(stage)
    events = writes.pop("create events")
    told = operator.log.read_text()
    assert writes.total() <= 15, f"{writes}\n{told[-6000:]}"
    assert events <= writes["update translationmodels/status"], f"{events} events, {writes}"
    metrics = await operator.metrics()
    assert metrics['mt_rollouts_total{result="Promoted"}'] == 2


async def test_bad_candidate_is_taken_back_and_people_are_told(stage: Stage) -> None:
    stage.world.predictors.requests = 400
    stage.world.predictors.behaviour = {2: Behaviour(errors=0.3)}
    told: list[dict[str, Any]] = []

    async def hook(request: web.Request) -> web.Response:
        told.append(await request.json())
        return web.Response(status=500 if len(told) == 1 else 200)

    async with listening(hook, path="/hook") as port:
        receivers = {"team": {"url": f"http://127.0.0.1:{port}/hook"}}
        operator = stage.operator()
        operator.start({**SETTINGS, "receivers": receivers, "cluster": "here"})
        await stage.kube.put(judged(stage, alerts=ALERTS))
        first = await stage.until(up_to_date)
        await stage.change(training={"seed": 2})
        second = await stage.until(rejected)
        await stage.settled()

        async def sent() -> bool:
            found = await operator.metrics()
            return found.get('mt_alerts_total{outcome="Sent",receiver="team"}', 0) >= 1

        await until(sent, 60)
    assert second["status"]["production"] == first["status"]["production"]
    degraded = condition(second, "Degraded")
    assert degraded["reason"] == "AnalysisFailed"
    assert "ErrorRate" in degraded["message"]
    assert told[0]["id"] == told[1]["id"], "the receiver stumbled, and was told again"
    assert (told[1]["reason"], told[1]["cluster"]) == ("AnalysisFailed", "here")
    assert (told[1]["model"], told[1]["namespace"]) == ("pt-en", stage.namespace)
    metrics = await operator.metrics()
    assert metrics['mt_rollouts_total{result="AnalysisFailed"}'] == 1
    assert not [name for name in metrics if name.startswith("mt_analysis_")]


async def test_nobody_asks_so_nothing_is_promoted(stage: Stage) -> None:
    stage.world.predictors.requests = 1  # a request a step, and none of it for the candidate
    operator = stage.operator()
    operator.start()
    await stage.kube.put(judged(stage))
    await stage.until(up_to_date)
    await stage.change(training={"seed": 2})
    held = await stage.until(lambda found: condition(found, "Paused").get("status") == "True")
    assert held["status"]["candidate"]["weight"] == 10

    async def shown() -> bool:
        found = await operator.metrics()
        place = f'model="pt-en",namespace="{stage.namespace}"'
        verdict = f'mt_analysis_verdict{{metric="errors",{place},verdict="NoData"}}'
        return found.get(verdict) == 1

    await until(shown, 30)
    stage.mark()
    await operator.looked(names.MODEL_KIND, int(await looks(operator)) + 3)
    assert not stage.writes(), "waiting writes nothing"
    stage.world.predictors.requests = 400
    await stage.until(up_to_date)


async def looks(operator: Any) -> float:
    found = await operator.metrics()
    return found[f'mt_operator_reconcile_seconds_count{{kind="{names.MODEL_KIND}"}}']
