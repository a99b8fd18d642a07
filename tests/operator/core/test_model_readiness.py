"""Candidates that are not ready, or no longer; and rollouts that are suspended."""

from __future__ import annotations

from tests.operator.model_builders import MINUTE, PAUSED, SPEC, World, upgraded

from mt_contract.defaults import merge


def test_candidate_that_never_gets_ready_is_rejected_after_max_load() -> None:
    world = upgraded().to_stage("Deploying")
    world.unready.add(world.service_of(world.candidate))
    world.waiting = "Unschedulable: 0/1 nodes have enough memory"
    before = world.now
    world.run_until("Degraded")
    assert world.now - before == 5 * MINUTE
    assert world.told("Degraded")["reason"] == "ServingCheckFailed"
    assert "Unschedulable" in world.told("Degraded")["message"]
    assert list(world.services) == [world.service_of(world.production)]
    assert world.writes["HTTPRoute"] == 0


def test_canary_that_loses_its_readiness_loses_its_traffic_in_the_same_look() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(50)
    world.unready.add(world.service_of(world.candidate))
    world.live()
    world.look()
    assert world.weights() == {world.production["revision"]: 100}


def test_canary_that_is_ready_again_gets_its_weight_back_and_its_pause_anew() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(50)
    world.settle()
    world.now += 4 * MINUTE
    world.unready.add(world.service_of(world.candidate))
    world.settle()
    assert (world.candidate["weight"], world.candidate["step"]) == (0, 2)
    world.unready.clear()
    assert world.settle().requeue_after == 5 * MINUTE
    assert (world.candidate["weight"], world.candidate["step"]) == (50, 3)
    world.run_until("UpToDate")


def test_canary_that_stays_unready_goes_back_to_production_at_the_deadline() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    serving = world.production
    world.until_weight(50)
    world.unready.add(world.service_of(world.candidate))
    world.run_until("Degraded")
    assert world.told("Degraded")["reason"] == "ProgressDeadlineExceeded"
    assert world.production == serving
    assert list(world.services) == [world.service_of(serving)]
    assert "RollingBack" in world.stages


def test_canary_that_flaps_is_rejected_at_last() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    for _ in range(5):
        world.until_weight(10)
        world.unready.add(world.service_of(world.candidate))
        world.settle()
        world.unready.clear()
    world.run_until("Degraded")
    assert "lost its readiness 5 times" in world.rejected["message"]


def test_superseded_training_is_suspended_and_goes_on_after_a_revert() -> None:
    world = upgraded()
    spec = world.spec
    world.look()
    world.look()
    first = world.candidate["run"]
    world.change(training={"seed": 8})
    world.look()
    world.look()
    assert world.runs[first].manifest["spec"]["suspend"] is True
    world.spec, world.generation = spec, world.generation + 1
    world.run_until("UpToDate")
    assert world.production["run"] == first
    assert world.runs[first].manifest["spec"]["suspend"] is False
    assert world.writes["TrainingRun"] == 5  # two made, one suspended and resumed, one suspended


def test_suspended_rollout_stays_where_it_is_and_its_clock_stands_still() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    world.settle()
    world.now += 2 * MINUTE
    world.change(suspend=True)
    assert world.settle().requeue_after is None
    assert world.condition("Paused") == "True"
    assert world.condition("Stalled") is None
    world.now += 600 * MINUTE
    world.settle()
    assert world.candidate["weight"] == 10
    world.change(suspend=False)
    assert world.settle().requeue_after == 3 * MINUTE
    world.run_until("UpToDate")


def test_suspended_canary_that_gets_unready_still_loses_its_traffic() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    world.settle()
    world.change(suspend=True)
    world.unready.add(world.service_of(world.candidate))
    world.settle()
    assert world.weights() == {world.production["revision"]: 100}
    world.unready.clear()
    world.change(suspend=False)
    world.run_until("UpToDate")


def test_suspended_model_starts_no_run() -> None:
    world = World(spec=merge(SPEC, {"suspend": True}))
    world.settle()
    assert world.writes == {"status": 1}
    assert world.told("Paused")["reason"] == "Suspended"


def test_candidate_keeps_its_traffic_while_pods_are_added_for_the_next_weight() -> None:
    world = upgraded(serving={"replicas": {"min": 1, "max": 6}}, rollout={"steps": PAUSED})
    world.to_stage("ServingCheck")
    world.services[world.service_of(world.production)].replicas = 5
    for _ in range(60):
        plans = [world.look() for _ in range(3)]  # the last ones before the pods are there
        plan = plans[-1]
        if not world.live() and plan.requeue_after:
            world.now += plan.requeue_after
    assert len(world.status["previous"]) == 1
    assert "NotReady" not in {event.reason for event in world.events}
