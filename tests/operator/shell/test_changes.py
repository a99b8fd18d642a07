"""What must not start anything: another release, and changes of where and how much."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.operator.shell.stage import SETTINGS, Stage, condition, model, up_to_date

from mt_contract import names

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(400)]
MODELS = 20


async def test_upgrade_over_20_models_writes_nothing(stage: Stage) -> None:
    operator = stage.operator()
    operator.start()
    labels = [f"model-{number}" for number in range(MODELS)]
    for number, name in enumerate(labels):
        await stage.kube.put(model(stage.namespace, name, seed=number))
    for name in labels:
        await stage.until(up_to_date, name, seconds=240)
    await asyncio.sleep(1.0)
    before = await versions(stage)
    stage.mark()

    operator.stop()
    images = {"trainer": "localhost/trainer:2", "predictor": "localhost/predictor:2"}
    operator.start(SETTINGS | {"images": images}, "other_release")
    await operator.looked(names.MODEL_KIND, MODELS)
    await operator.looked(names.RUN_KIND, MODELS)
    await asyncio.sleep(2.0)
    assert not stage.writes()
    assert len(before) == MODELS
    assert await versions(stage) == before


@pytest.mark.parametrize(
    ("spec", "patched"),
    [
        pytest.param({"serving": {"replicas": {"min": 2, "max": 2}}}, 1, id="replicas"),
        pytest.param({"serving": {"resources": {"limits": {"memory": "3Gi"}}}}, 1, id="memory"),
        pytest.param({"training": {"resources": {"limits": {"memory": "9Gi"}}}}, 0, id="trainer"),
        pytest.param({"training": {"queueName": "other"}}, 0, id="queue"),
        pytest.param({"rollout": {"scaleDownDelay": "3s"}}, 0, id="rollout"),
        pytest.param({"history": {"succeeded": 1}}, 0, id="history"),
    ],
)
async def test_change_of_where_and_how_much_starts_nothing(
    stage: Stage, spec: dict[str, Any], patched: int
) -> None:
    stage.operator().start()
    await stage.kube.put(model(stage.namespace))
    before = await stage.until(up_to_date)
    stage.mark()
    await stage.change(**spec)
    generation = before["metadata"]["generation"] + 1
    await stage.until(
        lambda found: (
            up_to_date(found) and condition(found, "UpToDate")["observedGeneration"] == generation
        )
    )
    await asyncio.sleep(1.0)
    writes = stage.writes()
    assert not stage.created("trainingruns")
    assert not stage.created("jobs")
    assert writes["patch inferenceservices"] == patched, writes
    assert sum(writes.values()) <= 2 + patched, writes


async def versions(stage: Stage) -> dict[str, str]:
    """Return the resource versions of all InferenceServices."""
    found = [service["metadata"] for service in await stage.all("InferenceService")]
    return {meta["name"]: meta["resourceVersion"] for meta in found}
