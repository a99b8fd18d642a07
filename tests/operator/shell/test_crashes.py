"""kill -9 at random moments: the story ends the same, with one Job a stage and no orphan."""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from tests.operator.shell.stage import Operator, Stage, model, rejected, up_to_date

KILLS = int(os.environ.get("MT_KILLS", "5"))
pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120 + 30 * KILLS)]
GOOD, BAD = 50.0, 20.0


class Killer:
    """Kills an operator at random moments and starts it again."""

    def __init__(self, operator: Operator, kills: int, seed: int) -> None:
        self.left = kills
        self._operator = operator
        self._random = random.Random(seed)

    async def run(self) -> None:
        while self.left:
            await asyncio.sleep(self._random.uniform(0.5, 3.5))
            self._operator.kill()
            self.left -= 1
            self._operator.start()


async def test_story_survives_kills_at_random_moments(stage: Stage) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    operator = stage.operator()
    operator.start()
    killer = Killer(operator, KILLS, seed)
    killing = asyncio.create_task(killer.run())
    await stage.kube.put(model(stage.namespace, seed=1))
    production = await stage.until(up_to_date)
    round = 1
    while round < 4 or killer.left:
        round += 1
        good = round % 3 != 0
        stage.world.scenario.scores[round] = GOOD + round if good else BAD
        await stage.change(training={"seed": round})
        found = await stage.until(up_to_date if good else rejected)
        if good:
            production = found
    await killing
    await stage.settled()

    again = [name for name, times in stage.created("jobs").items() if times > 1]
    assert not again, f"made twice: {again}"
    stages = [name.rsplit("-", 1)[0] for name in stage.created("jobs")]
    assert len(stages) == len(set(stages)), f"two Jobs for one stage: {sorted(stages)}"
    assert sum(stage.created("trainingruns").values()) == round
    (service,) = await stage.all("InferenceService")
    assert production["status"]["production"]["revision"] in service["metadata"]["name"]
    assert len(await stage.all("HTTPRoute")) == 1
    log = operator.log.read_text()
    assert "Traceback" not in log, log[-4000:]


async def test_story_survives_an_outage_of_the_api_server(stage: Stage) -> None:
    operator = stage.operator()
    operator.start()
    await stage.kube.put(model(stage.namespace, seed=1))
    await stage.until(lambda found: bool(found.get("status", {}).get("candidate")))
    await asyncio.to_thread(stage.cluster, "stop", "kube-apiserver")
    await asyncio.sleep(6)
    await asyncio.to_thread(stage.cluster, "start", "kube-apiserver")
    await stage.until(up_to_date)
    assert operator.stop() == 0, "it went on where it was, and stops in order"
    assert set(stage.created("jobs").values()) == {1}
