"""Whole runs in a tiny world, interrupted everywhere: the same end, and one Job a stage."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.builders import (
    DIGEST,
    MODEL_REFERENCE,
    MODEL_UID,
    NOW,
    RUN_UID,
    SPEC,
    comparison,
    evaluation_result,
    model_view,
    observed_run,
    run_meta,
    spec_with,
    train_result,
)
from tests.operator.run_builders import PRODUCTION, measuring_run

from mt_contract.defaults import drop
from mt_contract.names import LABEL_STAGE, Stage
from mt_contract.report import Failure, Message
from mt_operator.core.observed import JobState, JobView, Meta, ObservedRun
from mt_operator.core.plan import Child, Plan, Ref
from mt_operator.core.run.decide import decide_run
from mt_operator.core.run.stage import OVER, TRANSITIONS, RunStage, stage_of

ROUNDS = 60  # of observe, decide, apply; a run needs about fifteen


@dataclass(frozen=True)
class End:
    """How a Job of the script ends."""

    message: Message | None = None
    state: JobState = JobState.COMPLETE
    oom_killed: bool = False  # while it is still active


@dataclass(frozen=True)
class Script:
    """A run, how its Jobs end, and what comes of it."""

    end: RunStage
    stages: tuple[Stage, ...]  # of the Jobs that are made, one each
    jobs: Mapping[Stage, End]
    observed: ObservedRun = field(default_factory=observed_run)


GOOD = {Stage.TRAIN: End(train_result()), Stage.EVALUATE: End(evaluation_result())}
BAD = End(Failure("DataInvalid", "no tab"), JobState.FAILED)
LOST = {
    Stage.TRAIN: End(),
    Stage.EVALUATE: End(),
    Stage.COLLECT_TRAIN: End(train_result()),
    Stage.COLLECT_EVALUATE: End(evaluation_result()),
}
REUSING = replace(
    observed_run(
        {
            **MODEL_REFERENCE,
            **drop(SPEC, frozenset({"training"})),
            "import": {"uri": "pvc://models/old/model"},
        }
    ),
    meta=run_meta(
        owner=MODEL_UID, annotations={"translation.kubeflow.org/artifact-digest": DIGEST}
    ),
    model=model_view(),
)
IMPORTING = observed_run(
    {**drop(SPEC, frozenset({"training"})), "import": {"uri": "pvc://models/elsewhere"}}
)
WARM = observed_run(
    {**MODEL_REFERENCE, **spec_with(training={"warmStartFrom": "Production"})},
    model=model_view(status={"production": PRODUCTION}),
)
MEASURED = replace(REUSING, runs=(measuring_run(),))
TOGETHER = observed_run(spec_with(training={"nodes": 3}))
BOTH = (Stage.TRAIN, Stage.EVALUATE)
SCRIPTS = {
    "trained, evaluated, blessed": Script(RunStage.SUCCEEDED, BOTH, GOOD),
    "trained, evaluated, refused by its gate": Script(
        RunStage.SUCCEEDED,
        BOTH,
        GOOD | {Stage.EVALUATE: End(evaluation_result(comparison(value="1")))},
    ),
    "reused and evaluated": Script(RunStage.SUCCEEDED, (Stage.EVALUATE,), GOOD, REUSING),
    "reused, and only its bounds are new": Script(RunStage.SUCCEEDED, (), {}, MEASURED),
    "imported and evaluated": Script(
        RunStage.SUCCEEDED,
        (Stage.IMPORT, Stage.EVALUATE),
        GOOD | {Stage.IMPORT: End(train_result(dataset={}))},
        IMPORTING,
    ),
    "imported, its result lost and collected": Script(
        RunStage.SUCCEEDED,
        (Stage.IMPORT, Stage.COLLECT_TRAIN, Stage.EVALUATE),
        LOST | GOOD | {Stage.IMPORT: End()},
        IMPORTING,
    ),
    "no model to import": Script(RunStage.FAILED, (Stage.IMPORT,), {Stage.IMPORT: BAD}, IMPORTING),
    "trained from what is in production": Script(RunStage.SUCCEEDED, BOTH, GOOD, WARM),
    "both results lost and collected": Script(
        RunStage.SUCCEEDED,
        (Stage.TRAIN, Stage.COLLECT_TRAIN, Stage.EVALUATE, Stage.COLLECT_EVALUATE),
        LOST,
    ),
    "lost for good": Script(
        RunStage.FAILED,
        (Stage.TRAIN, Stage.COLLECT_TRAIN),
        {Stage.TRAIN: End(), Stage.COLLECT_TRAIN: End()},
    ),
    "bad data": Script(RunStage.FAILED, (Stage.TRAIN,), {Stage.TRAIN: BAD}),
    "trained on several nodes": Script(RunStage.SUCCEEDED, BOTH, GOOD, TOGETHER),
    "bad data, on several nodes": Script(
        RunStage.FAILED, (Stage.TRAIN,), {Stage.TRAIN: BAD}, TOGETHER
    ),
    "evaluation fails": Script(RunStage.FAILED, BOTH, GOOD | {Stage.EVALUATE: BAD}),
    "out of memory, its Job still active": Script(
        RunStage.FAILED,
        (Stage.TRAIN,),
        {Stage.TRAIN: End(oom_killed=True, state=JobState.ACTIVE)},
    ),
}


class World:
    """An API server with one run and its Jobs, which go on a step with every round."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.status: dict[str, Any] = {}
        self.version = 0
        self.jobs: dict[str, JobView] = {}
        self.services: dict[str, Meta] = {}
        self.stages: dict[str, Stage] = {}
        self.made: Counter[Stage] = Counter()
        self.removed: list[str] = []
        self.ways: list[tuple[RunStage, RunStage]] = []
        self.round = 0

    def observe(self) -> ObservedRun:
        now = NOW + timedelta(seconds=20 * self.round)
        return replace(
            self.script.observed,
            now=now,
            status=dict(self.status),
            jobs=dict(self.jobs),
            services=dict(self.services),
        )

    def actions(self, plan: Plan, version: int) -> Iterator[Callable[[], None]]:
        """What the applier does, in its order."""
        yield from (lambda c=child: self._create(c) for child in plan.apply)
        yield from (lambda r=ref: self._delete(r) for ref in plan.delete)
        if plan.status is not None:
            yield lambda: self._write(dict(plan.status or {}), version)

    def go_on(self) -> None:
        self.round += 1
        self.jobs = {name: self._older(view) for name, view in self.jobs.items()}

    def _create(self, child: Child) -> None:
        kind, name = child.key
        if name in self.jobs:
            return  # AlreadyExists, and ours
        metadata = child.manifest["metadata"]
        if kind == "Service":
            owner = metadata["ownerReferences"][0]["uid"]
            self.services.setdefault(name, Meta(name, "team-a", f"uid-{name}", owner=owner))
            return
        nodes = child.manifest["spec"].get("completions", 1)
        assert nodes == 1 or f"nodes-{name}" in self.services, "its pods could not find each other"
        self.stages[name] = stage = Stage(metadata["labels"][LABEL_STAGE])
        self.made[stage] += 1
        uid = f"{name}-{self.made[stage]}"
        meta = Meta(name, "team-a", uid, owner=metadata["ownerReferences"][0]["uid"])
        self.jobs[name] = JobView(meta, JobState.ACTIVE)

    def _delete(self, ref: Ref) -> None:
        if ref.kind == "Service":
            self.services.pop(ref.name, None)
        if ref.name in self.jobs and self.jobs[ref.name].meta.uid == ref.uid:
            del self.jobs[ref.name]
            self.removed.append(ref.name)

    def _write(self, status: dict[str, Any], version: int) -> None:
        if version != self.version:
            return  # 409 Conflict
        before, after = stage_of(self.status), stage_of(status)
        self.ways += [(before, after)] if before is not after else []
        self.status, self.version = status, version + 1

    def _older(self, view: JobView) -> JobView:
        if view.state is not JobState.ACTIVE:
            return view
        if not view.running:
            return replace(view, running=True, progress={"step": self.round})
        end = self.script.jobs[self.stages[view.meta.name]]
        return replace(
            view,
            running=False,
            state=end.state,
            message=end.message,
            oom_killed=end.oom_killed,
            finished=NOW,
        )


def play(script: Script, survives: Callable[[int], bool], world: World | None = None) -> World:
    """Go on until nothing is left to do; action number n is done only if ``survives(n)``.

    An action that is not done ends the round: the operator was killed, and starts again.
    """
    world = world or World(script)
    number = 0
    for _ in range(ROUNDS):
        plan, version = decide_run(world.observe()), world.version
        for action in world.actions(plan, version):
            number += 1
            if not survives(number):
                break
            action()
        idle = plan.status is None and not plan.apply and not plan.delete
        if idle and stage_of(world.status) in OVER:
            return world
        world.go_on()
    raise AssertionError(f"no end after {ROUNDS} rounds: {world.status}")


TIMES = ("completionTime", "startTime", "lastTransitionTime", "lastUpdatedTime", "step")


def timeless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: timeless(item) for key, item in value.items() if key not in TIMES}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def check(world: World, script: Script, end: Mapping[str, Any]) -> None:
    assert world.made == Counter(script.stages)
    assert timeless(world.status) == timeless(end)
    active = [view for view in world.jobs.values() if view.state is JobState.ACTIVE]
    assert active == []
    assert world.services == {}
    assert {view.meta.owner for view in world.jobs.values()} <= {RUN_UID}


@pytest.fixture(params=SCRIPTS.values(), ids=SCRIPTS.keys())
def script(request: pytest.FixtureRequest) -> Script:
    found: Script = request.param
    return found


def unbroken(script: Script) -> tuple[World, int]:
    """The run without a crash, and how many actions it took."""
    count = 0

    def survives(number: int) -> bool:
        nonlocal count
        count = number
        return True

    return play(script, survives), count


def test_a_run_ends_as_its_jobs_do(script: Script) -> None:
    world, _ = unbroken(script)
    assert stage_of(world.status) is script.end
    check(world, script, world.status)


def test_killed_before_any_action_it_comes_to_the_same_end(script: Script) -> None:
    world, actions = unbroken(script)
    assert actions >= (5 if script.stages else 1)
    for killed in range(1, actions + 1):
        again = play(script, lambda number, k=killed: number != k)
        check(again, script, world.status)


@pytest.mark.parametrize("seed", range(8))
def test_killed_again_and_again_it_comes_to_the_same_end(script: Script, seed: int) -> None:
    world, _ = unbroken(script)
    dice = random.Random(seed)
    again = play(script, lambda _: dice.random() < 0.5)
    check(again, script, world.status)


def test_two_operators_of_which_one_sees_the_past_do_it_once(script: Script) -> None:
    world, _ = unbroken(script)
    for age in (1, 2, 3, 5):
        again, past = World(script), []
        for _ in range(ROUNDS):
            past.append((again.observe(), again.version))
            observed, version = past[max(0, len(past) - 1 - age)]
            for stale, seen in ((observed, version), past[-1]):
                for action in again.actions(decide_run(stale), seen):
                    action()
            again.go_on()
        _same_but_for_jobs_made_twice(again, world)


def _same_but_for_jobs_made_twice(again: World, world: World) -> None:
    """A stale view may make a Job again that was deleted; never two at once, nor another end."""
    assert timeless(again.status) == timeless(world.status)
    assert set(again.made) == set(world.made)
    assert sum(again.made.values()) <= sum(world.made.values()) + len(again.removed)
    assert not [view for view in again.jobs.values() if view.state is JobState.ACTIVE]


def test_a_job_that_somebody_deletes_is_made_again(script: Script) -> None:
    world, _ = unbroken(script)
    for at in range(1, 4):
        again, deleted = World(script), False
        for _ in range(ROUNDS):
            for action in again.actions(decide_run(again.observe()), again.version):
                action()
            again.go_on()
            active = [n for n, v in again.jobs.items() if v.state is JobState.ACTIVE]
            if active and again.round >= at and not deleted:
                del again.jobs[active[0]]
                deleted = True
        assert timeless(again.status) == timeless(world.status)
        assert set(again.made) == set(world.made)
        assert sum(again.made.values()) <= len(script.stages) + 1


def test_every_way_of_the_table_is_gone_and_no_other() -> None:
    gone = {way for script in SCRIPTS.values() for way in unbroken(script)[0].ways}
    assert gone == {(way.source, way.target) for way in TRANSITIONS}
