"""Whole stories of a model, from a change of its spec to rest."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from tests.operator.model_builders import (
    MINUTE,
    MODEL,
    NAMESPACE,
    PAUSED,
    SPEC,
    WEIGHTS,
    World,
    served,
    upgraded,
)

from mt_contract.defaults import merge
from mt_contract.report import Failure
from mt_operator.core.model.rollout import TRANSITIONS
from mt_operator.core.model.state import Stage


def test_first_deployment_goes_from_spec_to_an_address_without_steps() -> None:
    world = World(spec=merge(SPEC, {"rollout": {"steps": PAUSED}}))
    world.run_until("UpToDate")
    stages = ["Training", "Evaluating", "Deploying", "ServingCheck", "Promoting", None]
    assert world.stages == stages
    assert world.weights() == {world.production["revision"]: 100}
    assert world.status["url"] == f"http://{MODEL}-{NAMESPACE}.example.com"
    assert world.status["trafficBackend"] == "HTTPRoute"
    assert world.status["pair"] == "pt-en"
    assert world.production["scores"] == {"chrF": "48.2"}


def test_first_deployment_has_no_route_before_its_serving_check_passed() -> None:
    world = World(agreement="0.5")
    world.run_until("Degraded")
    assert world.writes["HTTPRoute"] == 0
    assert world.condition("Ready") == "False"
    assert world.told("Stalled")["reason"] == "ServingCheckFailed"
    assert "50 % of 50 held-out sentences" in world.told("Stalled")["message"]


@pytest.mark.parametrize(
    ("steps", "writes"),
    [
        pytest.param(WEIGHTS, 15, id="three weights in a row"),
        pytest.param(PAUSED, 15, id="a pause after each weight adds none"),
    ],
)
def test_upgrade_goes_through_every_step_with_few_writes(steps: list[Any], writes: int) -> None:
    world = upgraded(rollout={"steps": steps})
    old = world.production
    world.to_stage("Evaluating").writes.clear()
    world.run_until("UpToDate")
    assert world.stages.count("Canary") == 2
    assert world.weights() == {world.production["revision"]: 100}
    assert list(world.services) == [world.service_of(world.production)]
    assert [entry["revision"] for entry in world.status["previous"]] == [old["revision"]]
    assert sum(world.writes.values()) == writes
    assert world.restarts == 0


def test_shares_grow_step_by_step() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    old, seen = world.production["revision"], [world.weights()]
    for _ in range(60):
        plan, busy = world.look(), world.live()
        if world.weights() != seen[-1]:
            seen.append(world.weights())
        if plan.status is None and not busy and plan.requeue_after:
            world.now += plan.requeue_after
    new = world.production["revision"]
    assert seen == [{old: 100}, {old: 90, new: 10}, {old: 50, new: 50}, {new: 100}]


def test_pause_counts_from_when_its_weight_is_in_force() -> None:
    world = upgraded(rollout={"steps": PAUSED}).to_stage("Canary")
    world.gateway_works = False
    world.settle()
    world.now += 10 * MINUTE
    world.settle()
    assert world.settle().requeue_after == 20 * MINUTE  # its progressDeadline
    world.gateway_works = True
    assert world.settle().requeue_after == 5 * MINUTE
    assert world.candidate["step"] == 1


def test_bad_gate_stops_a_candidate_before_it_becomes_a_revision() -> None:
    world = upgraded()
    serving, world.chrf = world.production, "31.5"
    world.run_until("Degraded")
    assert world.production == serving
    assert world.weights() == {serving["revision"]: 100}
    assert "revision" not in world.rejected
    assert world.condition("Ready") == "True"
    assert world.told("Degraded")["reason"] == "GateFailed"
    assert "chrF is 31.5, below min 40" in world.told("Degraded")["message"]
    assert world.writes["InferenceService"] == world.writes["HTTPRoute"] == 0


def test_invalid_data_is_told_in_the_words_of_the_run() -> None:
    world = upgraded()
    world.data_broken = True
    world.run_until("Degraded")
    assert world.told("Degraded")["reason"] == "DataInvalid"
    assert "0 of 12 pairs are usable" in world.told("Degraded")["message"]


def test_corrupt_artifact_is_rejected_at_once_with_its_message() -> None:
    world = upgraded().to_stage("Deploying")
    world.unready.add(world.service_of(world.candidate))
    world.waiting = "ArtifactInvalid: model.bin differs from its digest"
    before = world.now
    world.run_until("Degraded")
    assert world.now == before
    assert "model.bin differs from its digest" in world.rejected["message"]


def test_gateway_that_never_answers_ends_the_rollout_at_the_deadline() -> None:
    world = upgraded().to_stage("Canary")
    world.gateway_works = False
    world.settle()
    world.now += 30 * MINUTE
    world.settle()
    assert world.candidate["stage"] == "RollingBack"
    world.gateway_works = True
    world.run_until("Degraded")
    assert "has not put 10 % into force" in world.rejected["message"]


def test_candidate_gets_its_share_of_pods_before_its_share_of_traffic() -> None:
    world = upgraded(serving={"replicas": {"min": 1, "max": 6}}).to_stage("ServingCheck")
    world.services[world.service_of(world.production)].replicas = 5
    build, pods = world.candidate, dict[int, int]()
    for _ in range(20):
        world.look()
        share = world.weights().get(build["revision"], 0)
        pods.setdefault(share, world.services[world.service_of(build)].replicas)
        world.live()
    assert pods == {0: 1, 10: 1, 50: 3, 100: 5}
    assert world.restarts == 0


def test_newer_generation_stops_the_canary_and_starts_over() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(50)
    first, serving = world.candidate["revision"], world.production["revision"]
    world.change(training={"seed": 8})
    world.look()
    world.look()
    assert world.candidate["stage"] == "Training"
    assert world.weights() == {serving: 100}
    world.run_until("UpToDate")
    assert world.production["revision"] not in (first, serving)
    assert "rejected" not in world.status
    assert len(world.services) == 1


def test_revert_in_mid_canary_goes_back_without_a_run() -> None:
    world = served(rollout={"steps": PAUSED})
    spec, serving = world.spec, world.production
    world.change(training={"seed": 7})
    world.until_weight(50)
    world.spec, world.generation = spec, world.generation + 1
    world.run_until("UpToDate")
    assert world.production == serving
    assert world.weights() == {serving["revision"]: 100}


def test_revert_to_a_recent_revision_uses_its_run_again_and_skips_the_steps() -> None:
    world = served(rollout={"steps": PAUSED})
    spec, first = world.spec, world.production
    world.change(training={"seed": 7})
    world.run_until("UpToDate")
    world.stages.clear()
    world.writes.clear()
    world.spec, world.generation = spec, world.generation + 1
    world.run_until("UpToDate")
    assert world.production["run"] == first["run"]
    assert world.stages == ["Deploying", "ServingCheck", "Promoting", None, None]
    assert world.writes["TrainingRun"] == 0


def test_rejected_recipe_is_not_run_again_by_itself() -> None:
    world = upgraded()
    bad, world.chrf = world.spec, "31.5"
    world.run_until("Degraded")
    world.change(training={"seed": 8})
    world.chrf = "50"
    world.run_until("UpToDate")
    assert world.condition("Degraded") == "False"
    world.spec, world.generation = bad, world.generation + 1
    world.writes.clear()
    world.run_until("Degraded")
    assert world.writes == {"status": 1}
    assert world.condition("Stalled") == "True"


def test_probe_that_cannot_reach_the_revision_is_repeated_once() -> None:
    world = upgraded().to_stage("ServingCheck")
    world.probe = Failure("ProbeFailed", "connection refused")
    world.run_until("Degraded")
    assert world.writes["Job"] == 2
    assert "twice: connection refused" in world.rejected["message"]


def test_lost_probe_results_are_asked_for_three_times() -> None:
    world = upgraded().to_stage("ServingCheck")
    world.lose_probes = True
    world.run_until("Degraded")
    assert world.writes["Job"] == 3


def test_run_made_by_hand_is_rolled_out_when_it_is_blessed() -> None:
    world = served()
    world.create_run("by-hand", {"candidate": True, "training": {"seed": 9}})
    world.run_until("UpToDate")
    assert world.production["run"] == "by-hand"
    world.settle()
    assert world.production["run"] == "by-hand"


def test_experiment_by_hand_is_left_alone() -> None:
    world = served()
    serving = world.production
    world.create_run("experiment", {"training": {"seed": 9}})
    world.settle()
    assert world.production == serving
    assert world.writes == {}


def test_every_stage_leads_only_where_the_table_says() -> None:
    seen = set()
    for world in _eventful():
        # What is superseded makes room for another run in the same look.
        seen |= {(a, b) for a, b in pairwise(world.stages) if a and b != "Training"}
    allowed = {(a, b) for a, targets in TRANSITIONS.items() for b in targets}
    assert {(Stage(a), b and Stage(b)) for a, b in seen if a != b} <= allowed


def _eventful() -> list[World]:
    good, bad, unready, late = upgraded(), upgraded(), upgraded(), upgraded()
    good.run_until("UpToDate")
    bad.chrf = "1"
    bad.run_until("Degraded")
    unready.until_weight(50)
    unready.unready.add(unready.service_of(unready.candidate))
    unready.run_until("Degraded")
    late.to_stage("Canary").gateway_works = False
    late.settle()
    late.now += 30 * MINUTE
    late.settle()
    return [good, bad, unready, late]
