"""What keeps anything new from starting, in words, while what serves goes on serving."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from tests.operator.model_builders import (
    NOW,
    PAUSED,
    SETTINGS,
    SPEC,
    Thing,
    World,
    served,
    upgraded,
)

from mt_contract import names
from mt_contract.defaults import merge
from mt_operator.core.model.decide import decide_model
from mt_operator.core.observed import Cluster
from mt_operator.core.plan import ImpossibleError
from mt_operator.settings import Gateway

LONG = "{model}-{namespace}-" + "x" * 60 + ".example.com"


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        pytest.param(
            {"retrain": {"minInterval": "6h"}},
            "NotSupportedYet",
            "spec.retrain",
            id="a field that this release does not act on",
        ),
        pytest.param(
            {"rollout": {"gateway": "internal"}},
            "UnknownGateway",
            "they know: default, long",
            id="a gateway that the platform does not know",
        ),
        pytest.param(
            {"rollout": {"gateway": "long"}},
            "HostNameTooLong",
            "63 between two dots",
            id="a host name that the DNS does not allow",
        ),
        pytest.param(
            {"training": {"preset": "Huge"}}, "SpecInvalid", "Huge", id="a preset that is none"
        ),
        pytest.param(
            {"rollout": {"scaleDownDelay": "soon"}},
            "SpecInvalid",
            "spec.rollout.scaleDownDelay",
            id="a duration that is none",
        ),
    ],
)
def test_person_has_to_act(change: Mapping[str, Any], reason: str, words: str) -> None:
    world = served()
    world.settings = replace(
        SETTINGS, gateways={**SETTINGS.gateways, "long": Gateway("shared", "gateways", LONG)}
    )
    weights = world.weights()
    world.change(**change)
    world.change(training={"seed": 7})
    world.settle()
    stalled = world.told("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", reason)
    assert words in stalled["message"]
    assert world.condition("Ready") == "True"
    assert world.condition("Reconciling") is None
    assert world.weights() == weights
    assert set(world.writes) == {"status"}


def test_removed_obstacle_lets_everything_go_on() -> None:
    world = served()
    world.change(retrain={"minInterval": "6h"}, training={"seed": 7})
    world.settle()
    del world.spec["retrain"]
    world.change()
    world.run_until("UpToDate")
    assert world.condition("Stalled") is None
    assert len(world.runs) == 2


def test_obstacle_in_mid_canary_keeps_the_weights() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(50)
    world.settle()
    weights = world.weights()
    world.change(alerts=[{"receiver": "team", "on": ["RunFailed"]}])
    assert world.settle().requeue_after is None
    assert world.weights() == weights
    assert world.told("Stalled")["reason"] == "UnknownReceiver"


@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        pytest.param(Cluster(kserve=False), "WaitingForKServe", id="no KServe"),
        pytest.param(Cluster(gateway_api=False), "WaitingForGatewayAPI", id="no Gateway API"),
    ],
)
def test_cluster_that_lacks_something_is_looked_at_again(cluster: Cluster, reason: str) -> None:
    world = World(cluster=cluster)
    plan = world.settle()
    assert plan.requeue_after is not None
    assert world.told("Reconciling")["reason"] == reason
    assert world.condition("Stalled") is None
    assert world.writes == {"status": 1}
    world.cluster = Cluster()
    world.run_until("UpToDate")
    assert world.condition("TrafficSplitting") == "True"


@pytest.mark.parametrize("kind", ["InferenceService", "HTTPRoute"])
def test_name_of_somebody_else_is_left_alone(kind: str) -> None:
    world = upgraded().to_stage("Evaluating")
    while not world.candidate.get("revision"):
        world.live()
        world.look()
    name = {
        "InferenceService": world.service_of(world.candidate),
        "HTTPRoute": names.route_name("pt-en"),
    }[kind]
    things = world.services if kind == "InferenceService" else world.routes
    old = things.get(name)
    manifest = deepcopy(dict(old.manifest)) if old else {"metadata": {"name": name}, "spec": {}}
    manifest["metadata"]["ownerReferences"] = [{"uid": "of-another"}]
    manifest["spec"].setdefault("predictor", {"minReplicas": 1})
    theirs = Thing(manifest, "theirs", NOW)
    things[name] = theirs
    world.settle()
    assert world.told("Stalled")["reason"] == "NameTaken"
    assert name in world.told("Stalled")["message"]
    assert things[name] is theirs
    assert theirs.generation == 1


def test_waiting_for_a_person_is_announced_once() -> None:
    world = served()
    world.change(rollout={"gateway": "internal"})
    world.settle()
    world.change(serving={"maxQueue": 9})
    world.settle()
    assert [event.reason for event in world.events] == ["UnknownGateway"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"stage": "Deploying"}, "weight 50 in stage Deploying", id="weight too early"),
        pytest.param({"weight": 150}, "weight 150", id="more than all"),
        pytest.param({"step": 9}, "step 9 of 5", id="a step that is none"),
        pytest.param({"revision": None}, "without a revision", id="no revision"),
        pytest.param({"stage": "Dancing"}, "Dancing", id="a stage that is none"),
    ],
)
def test_impossible_candidate_is_not_guessed_about(change: Mapping[str, Any], words: str) -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(50)
    world.status["candidate"] = {
        key: value for key, value in (world.candidate | change).items() if value is not None
    }
    with pytest.raises(ImpossibleError, match=words):
        decide_model(world.observe())


def test_weight_without_a_blessing_is_impossible() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    run = world.runs[world.candidate["run"]]
    conditions = [c for c in run.status["conditions"] if c["type"] != "Blessed"]
    run.status = dict(run.status) | {"conditions": conditions}
    with pytest.raises(ImpossibleError, match="was not blessed"):
        decide_model(world.observe())


def test_revision_that_is_production_and_candidate_is_impossible() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    world.status["candidate"] |= {"revision": world.production["revision"]}
    with pytest.raises(ImpossibleError, match="not all different"):
        decide_model(world.observe())


@pytest.mark.parametrize("lost", ["production", "triggers"])
def test_lost_status_of_something_that_serves_is_not_made_up(lost: str) -> None:
    world = served()
    del world.status[lost]
    with pytest.raises(ImpossibleError, match="Restore it"):
        decide_model(world.observe())


def test_model_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    observed = World(spec=dict(merge(SPEC, {}))).observe()
    plan = decide_model(replace(observed, meta=replace(observed.meta, deleting=True)))
    assert (plan.apply, plan.delete, plan.status) == ((), (), None)
