"""Any interleaving of what users, runs, pods, gateway and kills do: the promises hold.

Never two candidates, never weight without blessing, check and readiness, never less than all of
the traffic; and it always comes to rest: done, or with a reason that a person can read.
HYPOTHESIS_PROFILE=long looks at many more interleavings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.operator.model_builders import MINUTE, MODEL, PAUSED, SPEC, CrashError, World

from mt_contract import names
from mt_contract.defaults import merge
from mt_contract.names import GROUP
from mt_contract.report import Failure, ProbeResult
from mt_operator.core.model.outcome import Progress, outcome
from mt_operator.core.model.rollout import TRANSITIONS
from mt_operator.core.model.state import Stage
from mt_operator.core.observed import RunView

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


CHANGES: list[Mapping[str, Any]] = [
    {"training": {"seed": 1}},
    {"training": {"seed": 2}},
    {"serving": {"beamSize": 1}},
    {"serving": {"beamSize": 2}},
    {"serving": {"replicas": {"min": 2, "max": 4}}},
    {"serving": {"maxQueue": 9}},
    {"evaluation": {"gates": [{"name": "low", "metric": "chrF", "min": "30"}]}},
    {"suspend": True},
    {"suspend": False},
]
KNOBS = [
    ("chrf", "31.5"),
    ("chrf", "48.2"),
    ("probe", Failure("ProbeFailed", "no answer")),
    ("probe", None),
    ("agreement", "0.5"),
    ("agreement", "1"),
    ("gateway_works", False),
    ("gateway_works", True),
    ("lose_probes", True),
    ("lose_probes", False),
]


class Rollouts(RuleBasedStateMachine):
    """One model in an eventful world."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(spec=merge(SPEC, {"rollout": {"steps": PAUSED}}))
        self.checked: set[str] = set()
        self.blessed: set[str] = set()

    @initialize(serving=st.booleans())
    def begin(self, serving: bool) -> None:
        if serving:
            self.world.run_until("UpToDate")

    @rule(looks=st.integers(1, 6))
    def go_on(self, looks: int) -> None:
        for _ in range(looks):
            self._look()
            self.world.live()

    @rule()
    def look_twice(self) -> None:
        self._look()
        self._look()

    @rule(writes=st.integers(0, 3))
    def kill(self, writes: int) -> None:
        self.world.crash_after = writes
        with suppress(CrashError):
            self._look()
        self.world.crash_after = None

    @rule(minutes=st.sampled_from([1, 5, 31]))
    def wait(self, minutes: int) -> None:
        self.world.now += minutes * MINUTE

    @rule()
    def go_far(self) -> None:
        """Come to a canary with traffic, if that is where things lead."""
        if not self.world.candidate:
            seed = self.world.spec.get("training", {}).get("seed", 0)
            self.world.change(training={"seed": seed + 1}, suspend=False)
        for _ in range(25):
            if self.world.candidate.get("weight"):
                return
            self._look()
            self.world.live()

    @rule(change=st.sampled_from(CHANGES))
    def edit(self, change: Mapping[str, Any]) -> None:
        self.world.change(**change)

    @rule(knob=st.sampled_from(KNOBS))
    def behave(self, knob: tuple[str, Any]) -> None:
        setattr(self.world, *knob)

    @rule(well=st.booleans())
    def pods(self, well: bool) -> None:
        if well:
            self.world.unready.clear()
        elif self.world.candidate.get("revision"):
            self.world.unready.add(self.world.service_of(self.world.candidate))

    @rule(action=st.sampled_from(["abort", "retry"]), suffix=st.integers(0, 3))
    def annotate(self, action: str, suffix: int) -> None:
        source = self.world.candidate if action == "abort" else self.world.rejected
        target = source.get("revision") or source.get("run") or "nothing"
        self.world.annotations[f"{GROUP}/{action}"] = f"{target}/{suffix}"

    @rule(kind=st.sampled_from(["services", "runs", "jobs"]))
    def delete(self, kind: str) -> None:
        things = getattr(self.world, kind)
        for name in list(things)[-1:]:
            del things[name]

    @rule(seed=st.integers(5, 6))
    def run_is_made_by_hand(self, seed: int) -> None:
        if f"by-hand-{seed}" not in self.world.runs:
            spec = {"candidate": True, "training": {"seed": seed}}
            self.world.create_run(f"by-hand-{seed}", spec)

    def _look(self) -> None:
        """Look once, and check what was written against what was seen."""
        self._note()
        world, before = self.world, self.world.candidate
        ready = {name for name, thing in world.services.items() if thing.ready}
        plan = world.look()
        if plan.requeue_after is not None:
            assert plan.requeue_after > timedelta()
        for child in plan.apply:
            if child.key[0] == "HTTPRoute":
                self._right_weights(child.manifest, ready)
        self._allowed_step(before, world.candidate)

    def _note(self) -> None:
        """Note which runs were ever blessed, and which revisions passed a serving check."""
        for name, run in self.world.runs.items():
            view = RunView(run.meta(), run.manifest["spec"], run.status)
            self.blessed |= {name} if outcome(view).progress is Progress.BLESSED else set()
        for job in self.world.jobs.values():
            said = job.message
            if isinstance(said, ProbeResult) and (said.failures, said.agreement) == (0, "1"):
                self.checked.add(job.meta().labels[names.LABEL_REVISION])

    def _right_weights(self, manifest: Any, ready: set[str]) -> None:
        weights = {
            ref["name"].removesuffix("-predictor"): ref["weight"]
            for ref in manifest["spec"]["rules"][0]["backendRefs"]
        }
        assert sum(weights.values()) == 100
        serving = self.world.production.get("revision")
        for name, weight in weights.items():
            revision = name.removeprefix(f"{MODEL}-")
            if weight and revision != serving:
                assert revision in self.checked, "weight without a serving check"
                assert name in ready, "weight without readiness"

    def _allowed_step(self, before: Any, after: Any) -> None:
        a, b = before.get("stage"), after.get("stage")
        same = before.get("run") == after.get("run")
        if a and a != b and (same or not after):
            assert (b and Stage(b)) in TRANSITIONS[Stage(a)], f"{a} led to {b}"

    @invariant()
    def candidate_with_weight_is_blessed(self) -> None:
        candidate = self.world.candidate
        if candidate.get("weight"):
            assert candidate["run"] in self.blessed

    @invariant()
    def nothing_serves_but_what_is_known(self) -> None:
        status = self.world.status
        known = [self.world.production, self.world.candidate, *status.get("retiring", [])]
        revisions = {build["revision"] for build in known if build.get("revision")}
        listed = set(self.world.weights())
        assert listed <= revisions | {""}, "traffic to a revision that the status does not know"

    @invariant()
    def few_are_remembered(self) -> None:
        assert len(self.world.status.get("rejected", ())) <= 20
        assert len(self.world.status.get("previous", ())) <= 10

    def teardown(self) -> None:
        """Let everything be well again: it comes to rest, with an answer."""
        world = self.world
        world.unready.clear()
        world.gateway_works, world.probe, world.lose_probes = True, None, False
        world.agreement, world.chrf = "1", "48.2"
        if world.spec.get("suspend"):
            world.change(suspend=False)
        for _ in range(60):
            plan = world.settle()
            if plan.requeue_after is None:
                break
            world.now += plan.requeue_after
        else:
            raise AssertionError(f"no rest: {world.status}")
        assert (world.condition("UpToDate") == "True") != (world.condition("Stalled") == "True")
        assert "candidate" not in world.status
        serving = {world.service_of(world.production)} if world.production else set()
        assert set(world.services) == serving
        if world.production:
            assert world.weights() == {world.production["revision"]: 100}
        else:
            assert names.route_name(MODEL) not in world.routes


Rollouts.TestCase.settings = settings(
    max_examples=400 if LONG else 10,
    stateful_step_count=60 if LONG else 25,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
TestRollouts = Rollouts.TestCase
