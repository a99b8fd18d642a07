"""How a model is served: found once by what the cluster has, told in a condition, then fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.operator.knative_world import KnativeWorld, knative_served
from tests.operator.model_builders import MODEL, PAUSED, SETTINGS, SPEC, Thing, World, served

from mt_contract import names
from mt_contract.defaults import merge
from mt_operator.core.model.decide import decide_model
from mt_operator.core.observed import Cluster, FrontView, ObservedModel
from mt_operator.core.plan import ImpossibleError

PLAIN = Cluster(gateway_api=False, gateway_enabled=False, default_mode="Standard")
BOTH = Cluster(gateway_api=True, knative=True)


@dataclass
class PlainWorld(World):
    """A cluster that can split nothing."""

    cluster: Cluster = PLAIN
    fronts: dict[str, Thing] = field(default_factory=dict)

    def observe(self) -> ObservedModel:
        views = {
            name: FrontView(thing.meta(), thing.manifest["spec"]["selector"])
            for name, thing in self.fronts.items()
        }
        return replace(super().observe(), fronts=views)

    def weights(self) -> dict[str, int]:
        """Return which revision the Service leads to."""
        thing = self.fronts.get(names.route_name(MODEL))
        return {thing.manifest["spec"]["selector"][names.LABEL_REVISION]: 100} if thing else {}

    def _things(self, kind: str) -> dict[str, Thing]:
        return self.fronts if kind == "Service" else super()._things(kind)


@pytest.mark.parametrize(
    ("mode", "cluster", "backend"),
    [
        pytest.param("Auto", Cluster(), "HTTPRoute", id="a Gateway API"),
        pytest.param("Auto", BOTH, "HTTPRoute", id="both, and KServe's default is not known"),
        pytest.param(
            "Auto", replace(BOTH, default_mode="Knative"), "KServeKnative", id="KServe's default"
        ),
        pytest.param(
            "Auto",
            replace(BOTH, default_mode="Serverless"),
            "KServeKnative",
            id="KServe's default by its old name",
        ),
        pytest.param(
            "Auto",
            replace(BOTH, default_mode="RawDeployment"),
            "HTTPRoute",
            id="KServe's default is the other one",
        ),
        pytest.param(
            "Auto",
            Cluster(knative=False, default_mode="Knative"),
            "HTTPRoute",
            id="KServe's default is not there",
        ),
        pytest.param("Auto", replace(BOTH, gateway_api=False), "KServeKnative", id="Knative alone"),
        pytest.param("Auto", PLAIN, "BlueGreen", id="neither, and KServe does without"),
        pytest.param("Standard", BOTH, "HTTPRoute", id="Standard, as asked for"),
        pytest.param("Knative", BOTH, "KServeKnative", id="Knative, as asked for"),
        pytest.param("Standard", PLAIN, "BlueGreen", id="Standard with plain Ingress"),
    ],
)
def test_backend_is_found_once(mode: str, cluster: Cluster, backend: str) -> None:
    world = World(spec=merge(SPEC, {"serving": {"deploymentMode": mode}}), cluster=cluster)
    world.look()
    assert world.status["trafficBackend"] == backend
    splitting = world.told("TrafficSplitting")
    assert splitting["status"] == ("False" if backend == "BlueGreen" else "True")
    world.cluster = BOTH if backend == "BlueGreen" else replace(cluster, default_mode="")
    world.look()
    assert world.status["trafficBackend"] == backend


def test_knative_is_taken_where_no_gateway_is_set_up() -> None:
    world = World(cluster=BOTH, settings=replace(SETTINGS, gateways={}))
    world.look()
    assert world.status["trafficBackend"] == "KServeKnative"
    assert world.condition("Stalled") is None  # it asks for no gateway


@pytest.mark.parametrize(
    ("cluster", "reason", "words"),
    [
        pytest.param(
            Cluster(kserve=False), "WaitingForKServe", "install KServe", id="there is no KServe"
        ),
        pytest.param(
            Cluster(gateway_api=False),
            "WaitingForGatewayAPI",
            "install the Gateway API",
            id="there is nothing yet, and nobody knows what KServe wants",
        ),
        pytest.param(
            Cluster(gateway_api=False, gateway_enabled=True),
            "WaitingForGatewayAPI",
            "install the Gateway API",
            id="KServe waits for the Gateway API, too",
        ),
    ],
)
def test_nothing_is_fixed_before_it_can_be_told(cluster: Cluster, reason: str, words: str) -> None:
    world = World(cluster=cluster)
    plan = world.settle()
    assert "trafficBackend" not in world.status
    assert plan.requeue_after is not None
    assert world.told("TrafficSplitting")["status"] == "Unknown"
    assert world.told("Reconciling")["reason"] == reason
    assert words in world.told("TrafficSplitting")["message"]


def test_knative_that_is_not_there_is_missed_by_name_and_looked_for() -> None:
    world = World(spec=merge(SPEC, {"serving": {"deploymentMode": "Knative"}}))
    plan = world.settle()
    stalled = world.told("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "Unsupported")
    assert "install it, or write Standard or Auto" in stalled["message"]
    assert plan.requeue_after is not None
    world.cluster = BOTH
    world.look()
    assert world.status["trafficBackend"] == "KServeKnative"


@pytest.mark.parametrize(
    ("world", "mode", "stays"),
    [
        pytest.param(served, "Knative", "Standard", id="from Standard"),
        pytest.param(knative_served, "Standard", "Knative", id="from Knative"),
    ],
)
def test_change_of_mode_waits_for_a_person(world: Any, mode: str, stays: str) -> None:
    found: World = world()
    found.cluster = replace(found.cluster, knative=True)
    weights, backend = found.weights(), found.status["trafficBackend"]
    found.change(serving={"deploymentMode": mode}, training={"seed": 7})
    found.settle()
    stalled = found.told("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "Unsupported")
    assert f"Write {stays} or Auto again" in stalled["message"]
    assert (found.weights(), found.status["trafficBackend"]) == (weights, backend)
    assert set(found.writes) == {"status"}
    found.change(serving={"deploymentMode": stays})
    found.run_until("UpToDate")


@pytest.mark.parametrize(
    ("cluster", "replicas", "words"),
    [
        pytest.param(Cluster(), {"metric": "rps"}, "write cpu or memory", id="rps in Standard"),
        pytest.param(Cluster(), {"min": 0, "max": 1}, "write 1 or more", id="none in Standard"),
        pytest.param(
            replace(BOTH, default_mode="Knative"),
            {"metric": "cpu"},
            "write concurrency or rps",
            id="cpu in Knative",
        ),
    ],
)
def test_scaling_that_the_mode_does_not_know_is_refused(
    cluster: Cluster, replicas: Mapping[str, Any], words: str
) -> None:
    world = World(spec=merge(SPEC, {"serving": {"replicas": replicas}}), cluster=cluster)
    world.settle()
    assert world.told("Stalled")["reason"] == "SpecInvalid"
    assert words in world.told("Stalled")["message"]
    assert not world.runs


def test_knative_that_went_away_is_waited_for() -> None:
    world = knative_served()
    world.cluster = replace(world.cluster, knative=False)
    world.change(training={"seed": 7})
    plan = world.settle()
    assert world.told("Reconciling")["reason"] == "Unsupported"
    assert plan.requeue_after is not None


def test_status_of_an_earlier_release_is_of_the_backend_that_it_had() -> None:
    world = World(cluster=replace(BOTH, default_mode="Knative"))
    world.cluster = Cluster()
    world.to_stage("Deploying")
    del world.status["trafficBackend"]
    world.cluster = replace(BOTH, default_mode="Knative")
    world.look()
    assert world.status["trafficBackend"] == "HTTPRoute"


def test_backend_that_nobody_knows_is_not_guessed_about() -> None:
    world = served()
    world.status["trafficBackend"] = "Mesh"
    with pytest.raises(ImpossibleError, match="'Mesh'; this release knows HTTPRoute"):
        decide_model(world.observe())


def test_what_cannot_be_split_goes_all_at_once_after_its_check() -> None:
    world = PlainWorld(spec=merge(SPEC, {"rollout": {"steps": PAUSED}}))
    world.run_until("UpToDate")
    old = world.production["revision"]
    assert world.weights() == {old: 100}
    assert world.status["url"] == "http://pt-en-split.team-a.svc.cluster.local"
    world.change(training={"seed": 7})
    world.stages.clear()
    world.run_until("UpToDate")
    assert world.weights() == {world.production["revision"]: 100} != {old: 100}
    assert {"ServingCheck", "Promoting"} <= set(world.stages)
    assert "Canary" not in world.stages
    told = world.told("TrafficSplitting")
    assert (told["status"], told["reason"]) == ("False", "Unsupported")
    assert "weights below 100 and what follows them are skipped" in told["message"]
    assert not world.routes


def test_unready_candidate_never_gets_all_requests() -> None:
    world = PlainWorld(spec=dict(SPEC))
    world.run_until("UpToDate")
    old = world.production["revision"]
    world.change(training={"seed": 7})
    world.to_stage("Deploying")
    world.unready.add(world.service_of(world.candidate))
    world.run_until("Degraded")
    assert world.weights() == {old: 100}
    assert world.rejected["reason"] == "ServingCheckFailed"


def test_service_of_somebody_else_is_not_taken() -> None:
    world = PlainWorld(spec=dict(SPEC))
    name = names.route_name(MODEL)
    selector = {names.LABEL_REVISION: "theirs"}
    manifest = {"metadata": {"name": name}, "spec": {"selector": selector}}
    theirs = world.fronts[name] = Thing(manifest, "theirs", world.now)
    world.settle()
    assert world.told("Stalled")["reason"] == "NameTaken"
    assert world.fronts[name] is theirs


def test_world_is_in_knative_mode() -> None:
    world = KnativeWorld()
    world.look()
    assert world.status["trafficBackend"] == "KServeKnative"
