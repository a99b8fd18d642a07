"""The command and the operator agree, in every state: what one refuses, the other ignores.

The operator's own decisions are at work here, in the small world of its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from tests.cli.fake import FakeCluster, cli
from tests.operator.model_builders import MODEL, NAMESPACE, PAUSED, UID, World, served, upgraded

from mt_cli.errors import Code

Tree = dict[str, Any]
PATH = f"/apis/translation.kubeflow.org/v1alpha1/namespaces/{NAMESPACE}/translationmodels/{MODEL}"
ENDLESS = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 100}]


def in_pause() -> World:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    world.settle()
    return world


def in_endless_pause() -> World:
    world = upgraded(rollout={"steps": ENDLESS})
    world.settle()
    return world


def awaiting() -> World:
    world = served(rollout={"steps": PAUSED})
    world.change(training={"seed": 7}, rollout={"approval": "Required"})
    world.settle()
    return world


def paused_by_hand() -> World:
    world = in_pause()
    world.ask("pause", world.candidate["revision"])
    world.settle()
    return world


def rejected_by_gate() -> World:
    world = upgraded()
    world.chrf = "31.5"
    world.run_until("Degraded")
    return world


def rolling_back() -> World:
    world = in_pause()
    world.gateway_works = False
    world.ask("abort", world.candidate["revision"])
    world.look()
    world.gateway_works = True
    return world


def second_in_production() -> World:
    world = upgraded()
    world.run_until("UpToDate")
    return world


def without_data() -> World:
    world = served(rollout={"steps": [{"setWeight": 10}, {"setWeight": 100}]})
    world.change(rollout={"analysis": {"interval": "30s", "minRequests": 50}})
    world.change(training={"seed": 7})
    world.until_weight(10)
    for _ in range(40):
        plan = world.settle()
        if (world.candidate.get("analysis") or {}).get("verdict") == "NoData":
            return world
        assert plan.requeue_after is not None, world.status
        world.now += plan.requeue_after
    raise AssertionError(world.status)


def suspended() -> World:
    world = in_pause()
    world.change(suspend=True)
    world.settle()
    return world


def new() -> World:
    world = World()
    world.look()
    return world


STATES: Mapping[str, Callable[[], World]] = {
    "new": new,
    "served": served,
    "training": lambda: upgraded().to_stage("Training"),
    "evaluating": lambda: upgraded().to_stage("Evaluating"),
    "deploying": lambda: upgraded().to_stage("Deploying"),
    "serving check": lambda: upgraded().to_stage("ServingCheck"),
    "awaiting approval": awaiting,
    "timed pause": in_pause,
    "endless pause": in_endless_pause,
    "paused by hand": paused_by_hand,
    "rejected by a gate": rejected_by_gate,
    "rolling back": rolling_back,
    "second in production": second_in_production,
    "promoting": lambda: upgraded().to_stage("Promoting"),
    "without data": without_data,
    "suspended": suspended,
}
ACTIONS = ("promote", "promote --full", "abort", "pause", "resume", "retry", "rollback", "retrain")


@cache
def in_state(state: str) -> World:
    return STATES[state]()


def tree_of(world: World) -> Tree:
    """Return the model as an API server would."""
    meta = {
        "name": MODEL,
        "namespace": NAMESPACE,
        "uid": UID,
        "generation": world.generation,
        "creationTimestamp": "2026-11-21T11:00:00Z",
        "annotations": dict(world.annotations),
    }
    return {"metadata": meta, "spec": dict(world.spec), "status": dict(world.status)}


def run_tree(name: str, world: World) -> Tree:
    thing = world.runs[name]
    meta = {"name": name, "namespace": NAMESPACE, "creationTimestamp": "2026-11-21T11:00:00Z"}
    return {"metadata": meta, "spec": thing.manifest["spec"], "status": dict(thing.status)}


def cluster_of(world: World) -> FakeCluster:
    """Return a cluster in which the operator looks whenever the command waits."""
    cluster = FakeCluster(now=world.now)

    def show() -> None:
        cluster.add("translationmodels", tree_of(world))
        cluster.add("trainingruns", *(run_tree(name, world) for name in world.runs))

    def patched(_: FakeCluster) -> None:
        world.annotations = dict(cluster.objects[PATH]["metadata"]["annotations"])

    def tick(_: FakeCluster) -> None:
        world.look()
        world.live()
        show()

    show()
    cluster.after_patch = patched
    cluster.ticks = [tick] * 30
    return cluster


def target(world: World, action: str) -> str:
    """Return what somebody who did not look would ask for."""
    known = (world.candidate, world.production, world.rejected)
    called = next((e.get("revision") or e["run"] for e in known if e), "r-0")
    previous = world.status.get("previous") or [{"revision": "r-0"}]
    if action == "rollback":
        return str(previous[0]["revision"])
    if action == "retry":
        return str(world.rejected.get("revision") or world.rejected.get("run") or called)
    return f"full/{called}" if action == "promote --full" else str(called)


def accepted(world: World) -> str | None:
    return world.condition("ActionAccepted")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", list(STATES))
def test_the_command_and_the_operator_agree(state: str, action: str) -> None:
    world = deepcopy(in_state(state))
    world.status = world.status | {
        "conditions": [c for c in world.status["conditions"] if c["type"] != "ActionAccepted"]
    }
    cluster = cluster_of(world)
    name, _, option = action.partition(" ")
    result = cli(cluster, f"{name} {MODEL} {option} --wait -n {NAMESPACE}")
    if result.code == Code.DONE:
        assert accepted(world) == "True", result.out
        return
    assert (result.code, cluster.patches) == (Code.NOT_NOW, []), result.err
    world.ask(name, target(world, action))
    for _ in range(3):
        world.look()
    assert accepted(world) == "False", (result.err, world.told("ActionAccepted"))


def test_a_blessed_run_is_rolled_out() -> None:
    world = deepcopy(in_state("rejected by a gate"))
    run = world.rejected["run"]
    result = cli(cluster_of(world), f"bless {run} --wait -n {NAMESPACE}")
    assert result.code == Code.DONE, result.err
    world.run_until("UpToDate")
    assert world.production["run"] == run


@pytest.mark.parametrize("state", list(STATES))
def test_every_state_can_be_looked_at(state: str) -> None:
    cluster = cluster_of(deepcopy(in_state(state)))
    for line in ("list", f"status {MODEL}", f"runs {MODEL}"):
        result = cli(cluster, f"{line} -n {NAMESPACE}")
        assert (result.code, result.err) == (Code.DONE, "")
        assert MODEL in result.out
    for name in in_state(state).runs:
        assert cli(cluster, f"report {name} -n {NAMESPACE}").code == Code.DONE
