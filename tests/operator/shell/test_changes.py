"""What must not start anything: another release, and changes of where and how much."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tests.operator.shell.stage import SETTINGS, Stage, model, up_to_date

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


@dataclass(frozen=True)
class Change:
    """A change of a spec, and how often the InferenceService is applied for it."""

    of: str
    spec: Mapping[str, Any]
    patches: int = 0


CHANGES = (
    Change("replicas", {"serving": {"replicas": {"min": 2, "max": 2}}}, patches=1),
    Change("memory", {"serving": {"resources": {"limits": {"memory": "3Gi"}}}}, patches=1),
    Change("the trainer's memory", {"training": {"resources": {"limits": {"memory": "9Gi"}}}}),
    Change("queue", {"training": {"queueName": "other"}}),
    Change("rollout", {"rollout": {"scaleDownDelay": "3s"}}),
    Change("history", {"history": {"succeeded": 1}}),
)


async def test_changes_of_where_and_how_much_start_nothing(stage: Stage) -> None:
    stage.operator().start()
    await stage.kube.put(model(stage.namespace))
    await stage.until(up_to_date)
    for change in CHANGES:
        await stage.settled()
        stage.mark()
        await stage.change(**change.spec)
        await stage.until(up_to_date)
        await asyncio.sleep(1.0)
        writes = stage.writes()
        assert not stage.created("trainingruns"), change
        assert not stage.created("jobs"), change
        assert writes["patch inferenceservices"] == change.patches, (change, writes)
        assert sum(writes.values()) <= 2 + change.patches, (change, writes)


async def versions(stage: Stage) -> dict[str, str]:
    """Return the resource versions of all InferenceServices."""
    found = [service["metadata"] for service in await stage.all("InferenceService")]
    return {meta["name"]: meta["resourceVersion"] for meta in found}
