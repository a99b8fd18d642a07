"""Other bounds and other baselines on a real API server: which of them take an evaluation."""

from __future__ import annotations

import pytest
from tests.operator.shell.stage import Stage, condition, model, rejected, up_to_date

from mt_contract import names

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]


def gates(**bounds: str) -> dict[str, object]:
    return {"gates": [{"name": "quality", "metric": "chrF", "min": "40"} | bounds]}


async def test_changed_bounds_take_no_job(stage: Stage) -> None:
    stage.world.scenario.scores = {1: 48.0, 2: 42.0}
    stage.operator().start()
    await stage.kube.put(model(stage.namespace, seed=1, evaluation=gates()))
    first = await stage.until(up_to_date)

    stage.mark()
    await stage.change(evaluation=gates(min="50"))
    refused = await stage.until(rejected)
    assert "chrF is 48, below min 50" in condition(refused, "Degraded")["message"]
    assert refused["status"]["production"] == first["status"]["production"]
    await stage.change(evaluation=gates(min="45"))
    again = await stage.until(up_to_date)
    assert again["status"]["production"]["revision"] == first["status"]["production"]["revision"]
    assert stage.created("jobs") == {}
    assert len(stage.created("trainingruns")) == 2

    # A bound of a difference: production differs from itself by nothing.
    await stage.change(evaluation=gates(min="45", minDelta="0"))
    await stage.until(up_to_date)
    assert stage.created("jobs") == {}


async def test_latest_blessed_is_compared_with(stage: Stage) -> None:
    stage.world.scenario.scores = {1: 48.0, 2: 49.0}
    stage.operator().start()
    asked = gates(minDelta="0") | {"baseline": "LatestBlessed"}
    await stage.kube.put(model(stage.namespace, seed=1, evaluation=asked))
    first = await stage.until(up_to_date)
    await stage.change(training={"seed": 2})
    second = await stage.until(up_to_date)
    name = second["status"]["production"]["run"]
    run = await stage.kube.get(names.RUN_KIND, stage.namespace, name)
    assert run is not None
    baseline = run["status"]["evaluation"]["baseline"]
    assert baseline["run"] == first["status"]["production"]["run"]
    (gate,) = run["status"]["evaluation"]["gates"]
    assert gate["interval"] == ["+0.8", "+1.2"]
