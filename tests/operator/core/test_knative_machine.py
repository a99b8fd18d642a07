"""Whatever acts when: nobody but production ever gets more requests than it was given.

The operator is killed between any two writes; KServe, Knative's configuration, its pods and its
route act in any order, or not at all for a while. The world itself complains about every share.
"""

from __future__ import annotations

import os
from contextlib import suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.operator.knative_world import NAME, KnativeWorld
from tests.operator.model_builders import MINUTE, PAUSED, SPEC, CrashError

from mt_contract.defaults import merge

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
STEPS = ("kserve", "configure", "pods", "route")


class Rollouts(RuleBasedStateMachine):
    """One model in Knative mode, in an eventful cluster."""

    def __init__(self) -> None:
        super().__init__()
        self.world = KnativeWorld(spec=merge(SPEC, {"rollout": {"steps": PAUSED}}))
        self.seed = 50

    @initialize(serving=st.integers(0, 2))
    def begin(self, serving: int) -> None:
        for seed in range(serving):
            self.world.change(training={"seed": 60 + seed})
            self.world.run_until("UpToDate")

    @rule(looks=st.integers(1, 4))
    def go_on(self, looks: int) -> None:
        for _ in range(looks):
            self.world.look()
            self.world.live()

    @rule()
    def look(self) -> None:
        self.world.look()

    @rule(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=6))
    def cluster_acts(self, steps: list[str]) -> None:
        for step in steps:
            self.world.act(step)

    @rule(writes=st.integers(0, 3))
    def kill(self, writes: int) -> None:
        self.world.crash_after = writes
        with suppress(CrashError):
            self.world.look()
        self.world.crash_after = None

    @rule(minutes=st.sampled_from([1, 5, 31]))
    def wait(self, minutes: int) -> None:
        self.world.now += minutes * MINUTE

    @rule(weight=st.sampled_from([0, 10, 50, 100]))
    def go_far(self, weight: int) -> None:
        """Come to a candidate of that weight, if that is where things lead."""
        if not self.world.candidate:
            self.newer()
        for _ in range(40):
            candidate = self.world.candidate
            if candidate.get("revision") and candidate.get("weight", 0) == weight:
                return
            plan, busy = self.world.look(), self.world.live()
            if plan.status is None and not busy and plan.requeue_after:
                self.world.now += plan.requeue_after

    @rule()
    def newer(self) -> None:
        self.seed += 1
        self.world.change(training={"seed": self.seed})

    @rule(queue=st.integers(1, 3))
    def option_in_place(self, queue: int) -> None:
        self.world.change(serving={"maxQueue": queue})

    @rule(action=st.sampled_from(["abort", "retry"]))
    def ask(self, action: str) -> None:
        source = self.world.candidate if action == "abort" else self.world.rejected
        self.world.ask(action, source.get("revision") or source.get("run") or "nothing")

    @rule(kind=st.sampled_from(["unready", "dead"]), well=st.booleans())
    def pods(self, kind: str, well: bool) -> None:
        ill: set[str] = getattr(self.world, kind)
        if well:
            ill.clear()
        elif self.world.candidate.get("revision"):
            ill.add(self.world.candidate["revision"])

    @rule(refuses=st.booleans())
    def webhook(self, refuses: bool) -> None:
        self.world.refuses = refuses

    @invariant()
    def one_inference_service(self) -> None:
        assert set(self.world.services) <= {NAME}
        assert not self.world.routes

    def teardown(self) -> None:
        """Let everything be well again: it comes to rest, and production has all requests."""
        world = self.world
        world.unready.clear()
        world.dead.clear()
        world.refuses = False
        for _ in range(60):
            plan = world.settle()
            if plan.requeue_after is None:
                break
            world.now += plan.requeue_after
        else:
            raise AssertionError(f"no rest: {world.status}")
        assert "candidate" not in world.status
        if world.production:
            assert world.weights() == {world.production["revision"]: 100}
            assert world.percent() == 100
        else:
            assert not world.services


Rollouts.TestCase.settings = settings(
    max_examples=300 if LONG else 8,
    stateful_step_count=60 if LONG else 25,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
TestRollouts = Rollouts.TestCase
