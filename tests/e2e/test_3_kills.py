"""The operator is killed at random moments of a story: it converges, with one Job a stage."""

from __future__ import annotations

import os
import random
import threading

from tests.e2e import toy
from tests.e2e.stage import Stage, kill_operator

from demo import install, story

KILLS = int(os.environ.get("MT_KILLS", "5"))
SEED = int(os.environ.get("MT_SEED", "") or random.SystemRandom().randrange(10_000))
BETWEEN_SECONDS = (1.0, 25.0)
STEPS = [
    {"setWeight": 20},
    {"pause": {"duration": "20s"}},
    {"setWeight": 60},
    {"pause": {"duration": "20s"}},
    {"setWeight": 100},
]


class Killer:
    """Kills the operator at random moments, until it has done so often enough."""

    def __init__(self, stage: Stage) -> None:
        self.killed: list[int] = []
        self._stage = stage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        rng = random.Random(SEED)
        while len(self.killed) < KILLS and not self._stop.is_set():
            self._stop.wait(rng.uniform(*BETWEEN_SECONDS))
            if count := kill_operator(self._stage.place):
                self.killed.append(count)
                install.wait_for_operator(self._stage.place.kube)

    def finish(self) -> None:
        """Wait until all kills are done."""
        self._thread.join(timeout=900)
        self._stop.set()


def test_the_story_survives_kills_of_the_operator(second_stage: Stage) -> None:
    print(f"MT_SEED={SEED}")
    play = second_stage.play
    killer = Killer(second_stage)
    try:
        play.first_deployment(toy.model("toy", rollout={"scaleDownDelay": "5s", "steps": STEPS}))
        rounds = 0
        while rounds == 0 or len(killer.killed) < KILLS:
            rounds += 1
            model = play.better_recipe({"spec": {"training": {"seed": 50 + rounds}}}, "a seed")
    finally:
        killer.finish()
    assert len(killer.killed) == KILLS
    final = story.follow(
        second_stage.kube,
        "toy",
        lambda m: story.holds(m, "UpToDate"),
        "the model to settle",
        300,
    )
    assert story.production(final)["run"] == story.production(model)["run"]
    runs = second_stage.kube.list("trainingruns", "translation.kubeflow.org/model=toy")
    names = {run["metadata"]["name"] for run in runs}
    assert len(names) == 1 + rounds
    for name in names:
        assert set(second_stage.witness.stages(name).values()) == {1}
