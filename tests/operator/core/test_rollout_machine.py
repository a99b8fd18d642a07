"""Any interleaving of what users, runs, pods, gateway, traffic and kills do: the promises hold.

Never two candidates, never weight without blessing, check and readiness, never less than all of
the traffic; never a promotion while the evidence is against it or lacks; a stale token does
nothing; and it always comes to rest: done, or with a reason that a person can read.
HYPOTHESIS_PROFILE=long takes more than 100,000 steps (eight minutes of a core) and prints how many.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.operator.model_builders import MINUTE, MODEL, PAUSED, SPEC, CrashError, World
from tests.operator.rollout_promises import Witness

from mt_contract import names
from mt_contract.defaults import merge
from mt_contract.report import Failure

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
EXAMPLES, LENGTH = (1130, 100) if LONG else (12, 30)
STEPS = [0]  # rules that were taken

ANALYSIS = {
    "interval": "30s",
    "minRequests": 50,
    "metrics": [
        {"name": "errors", "builtin": "ErrorRate", "max": "0.01"},
        {"name": "ratio", "builtin": "ErrorRate", "maxRatio": "2"},
        {"name": "restarts", "builtin": "Restarts", "max": "0"},
    ],
}
WAITING = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"setWeight": 100}]
CHANGES: list[Mapping[str, Any]] = [
    {"training": {"seed": 1}},
    {"training": {"seed": 2}},
    {"training": {"nodes": 2}},
    {"training": {"warmStartFrom": "Production"}},
    {"training": {"warmStartFrom": "LatestBlessed"}},
    {"data": {"checks": {"maxDivergence": "0.2"}}},
    {"serving": {"beamSize": 1}},
    {"serving": {"beamSize": 2}},
    {"serving": {"replicas": {"min": 2, "max": 4}}},
    {"serving": {"maxQueue": 9}},
    {"evaluation": {"gates": [{"name": "low", "metric": "chrF", "min": "30"}]}},
    {"suspend": True},
    {"suspend": False},
    {"rollout": {"approval": "Required"}},
    {"rollout": {"approval": "Automatic"}},
    {"rollout": {"steps": WAITING}},
    {"rollout": {"steps": PAUSED}},
    {"rollout": {"steps": [{"setWeight": 100}]}},
    {"rollout": {"analysis": ANALYSIS | {"onNoData": "Pause"}}},
    {"rollout": {"analysis": ANALYSIS | {"onNoData": "Fail"}}},
    {"rollout": {"analysis": ANALYSIS | {"onNoData": "Pass", "failureLimit": 1}}},
    {"rollout": {"analysis": ANALYSIS | {"syntheticTraffic": {"requestsPerSecond": 1}}}},
    {"alerts": [{"receiver": "nobody", "on": ["RolledBack"]}]},
    {"alerts": []},
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
TRAFFIC = [
    ("rate", 0),
    ("rate", 2000),
    ("errors", 0.0),
    ("errors", 0.05),
    ("errors", 1.0),
    ("away", True),
    ("away", False),
    ("restarts", 1),
    ("restarts", 2),
]
ACTIONS = ["promote", "abort", "retry", "rollback", "bless", "pause", "resume", "retrain"]


class Rollouts(RuleBasedStateMachine):
    """One model in an eventful world."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(spec=merge(SPEC, {"rollout": {"steps": PAUSED}}))
        self.world.users.rate = 2000
        self.witness = Witness(self.world)

    @initialize(serving=st.booleans(), analysed=st.booleans())
    def begin(self, serving: bool, analysed: bool) -> None:
        if analysed:
            self.world.change(rollout={"analysis": ANALYSIS})
        if serving:
            self.world.run_until("UpToDate")
            self.witness.note()

    @rule(looks=st.integers(1, 6))
    def go_on(self, looks: int) -> None:
        for _ in range(looks):
            self.witness.look()
            self.world.live()

    @rule()
    def look_twice(self) -> None:
        self.witness.look()
        self.witness.look()

    @rule(writes=st.integers(0, 3))
    def kill(self, writes: int) -> None:
        self.world.crash_after = writes
        with suppress(CrashError):
            self.witness.look()
        self.world.crash_after = None

    @rule(seconds=st.sampled_from([5, 30, 60, 300, 1860]))
    def wait(self, seconds: int) -> None:
        self.world.now += seconds * MINUTE / 60

    @rule(times=st.integers(1, 4))
    def wait_as_asked(self, times: int) -> None:
        for _ in range(times):
            plan = self.witness.look()
            self.world.live()
            self.world.now += plan.requeue_after or MINUTE

    @rule(seed=st.integers(10, 40), far=st.booleans())
    def all_goes_well(self, seed: int, far: bool) -> None:
        """Come to a canary with traffic, or on to production, if that is where things lead."""
        self._heal()
        if not self.world.candidate:
            self.world.change(training={"seed": seed}, suspend=False)
        for _ in range(60 if far else 30):
            if not far and self.world.candidate.get("weight"):
                return
            plan = self.witness.look()
            if not self.world.live() and plan.status is None:
                if plan.requeue_after is None:
                    return
                self.world.now += plan.requeue_after

    @rule(change=st.sampled_from(CHANGES))
    def edit(self, change: Mapping[str, Any]) -> None:
        self.world.change(**change)

    @rule(knob=st.sampled_from(KNOBS))
    def behave(self, knob: tuple[str, Any]) -> None:
        setattr(self.world, *knob)

    @rule(knob=st.sampled_from(TRAFFIC))
    def users_and_pods(self, knob: tuple[str, Any]) -> None:
        setattr(self.world.users, *knob)

    @rule(well=st.booleans())
    def pods(self, well: bool) -> None:
        if well:
            self.world.unready.clear()
        elif self.world.candidate.get("revision"):
            self.world.unready.add(self.world.service_of(self.world.candidate))

    @rule(action=st.sampled_from(ACTIONS), full=st.booleans())
    def ask(self, action: str, full: bool) -> None:
        self._ask(action, full)

    @rule(choice=st.integers(0, 5), full=st.booleans())
    def ask_what_can_be_done(self, choice: int, full: bool) -> None:
        world = self.world
        can = ["promote", "pause", "resume", "abort"] if world.candidate.get("revision") else []
        can += ["retry", "bless"] if world.rejected else []
        can += ["rollback"] if world.status.get("previous") else ["retrain"]
        self._ask(can[choice % len(can)], full)
        self.witness.look()
        world.live()

    def _ask(self, action: str, full: bool) -> None:
        world = self.world
        earlier = (world.status.get("previous") or [{}])[0]
        source = {"retry": world.rejected, "bless": world.rejected, "rollback": earlier}.get(
            action, world.candidate
        )
        by_run = action == "bless" or "revision" not in source
        target = source.get("run" if by_run else "revision") or "nothing"
        full = full and action == "promote"
        world.ask(action, f"full/{target}" if full else target)

    @rule(errors=st.sampled_from([0.05, 1.0]), seconds=st.sampled_from([30, 90]))
    def candidate_does_badly(self, errors: float, seconds: int) -> None:
        """Let users meet a bad canary, if there is one."""
        if self.world.candidate.get("weight"):
            self.world.users.rate, self.world.users.errors = 2000, errors
            for _ in range(3):
                self.witness.look()
                self.world.live()
                self.world.now += seconds * MINUTE / 60

    @rule()
    def gates_fail(self) -> None:
        """Let a new recipe be not good enough, as far as its run comes."""
        self.world.chrf = "31.5"
        self.world.change(training={"seed": self.world.generation})
        for _ in range(8):
            self.witness.look()
            self.world.live()

    @rule(action=st.sampled_from([action for action in ACTIONS if action != "retrain"]))
    def ask_for_nothing(self, action: str) -> None:
        self.witness.look()  # whatever was asked for before is handled
        if not self._pending():
            self.witness.does_nothing(action, "r-00000000")

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

    @rule(number=st.integers(1, 2))
    def model_from_elsewhere_is_imported(self, number: int) -> None:
        if f"import-{number}" not in self.world.runs:
            spec = {"candidate": True, "import": {"uri": f"pvc://models/elsewhere-{number}"}}
            self.world.create_run(f"import-{number}", spec)

    def _heal(self) -> None:
        world, users = self.world, self.world.users
        world.unready.clear()
        world.gateway_works, world.probe, world.lose_probes = True, None, False
        world.agreement, world.chrf = "1", "48.2"
        users.rate, users.errors, users.away = 2000, 0.0, False

    def _pending(self) -> bool:
        handled = self.world.status.get("handled") or {}
        asked = {key.rpartition("/")[2]: t for key, t in self.world.annotations.items()}
        return any(handled.get(action) != token for action, token in asked.items())

    @invariant()
    def count(self) -> None:
        STEPS[0] += 1

    @invariant()
    def candidate_with_weight_is_blessed(self) -> None:
        candidate = self.world.candidate
        if candidate.get("weight"):
            blessed = candidate["run"] in self.witness.blessed
            assert blessed or candidate.get("override")

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
        self._heal()
        world.change(suspend=False, alerts=[])
        for _ in range(150):
            plan = world.settle()
            if world.condition("Paused") == "True":
                held = world.candidate.get("paused")
                world.ask("resume" if held else "promote", world.candidate["revision"])
            elif plan.requeue_after is None:
                break
            else:
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
        assert not [name for name in world.jobs if "-traffic-" in name]


Rollouts.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=LENGTH,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
TestRollouts = Rollouts.TestCase


def test_steps_that_were_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{STEPS[0]:,} steps of the rollout machine")
    assert STEPS[0] >= (100_000 if LONG else 100)
