"""Real clusters of the smallest kind: they come up, survive crashes, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from tests.localcluster.real import (
    command,
    environment,
    left_behind,
    localcluster,
    node_of,
    processes_of,
)

from localcluster import state
from localcluster.api import Api
from localcluster.cache import default_cache
from localcluster.instance import Instance

pytestmark = [
    pytest.mark.apiserver,
    pytest.mark.skipif(os.geteuid() != 0, reason="a node needs root"),
    pytest.mark.timeout(1800),
]

NAMESPACES = "/api/v1/namespaces"


def up(name: str, *words: str) -> Instance:
    localcluster(name, "up", "--parts", "apiserver", *words)
    return state.require(default_cache(), name)


@pytest.fixture
def names() -> Iterator[tuple[str, str]]:
    chosen = ("self-one", "self-two")
    try:
        yield chosen
    finally:
        for name in chosen:
            localcluster(name, "down", "--purge")


def test_a_cluster_comes_up_once_and_goes_without_a_trace(names: tuple[str, str]) -> None:
    instance = up(names[0])
    first = node_of(instance)
    assert processes_of(instance)
    assert Api(instance.kubeconfig, instance.addresses.node).ready()
    up(names[0])
    assert node_of(instance) == first
    localcluster(names[0], "status")
    localcluster(names[0], "down")
    assert left_behind(instance) == []
    localcluster(names[0], "status", code=3)
    localcluster(names[0], "down")


def test_what_was_stored_outlives_a_killed_node_but_not_a_fresh_start(
    names: tuple[str, str],
) -> None:
    instance = up(names[0])
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}
    Api(instance.kubeconfig, instance.addresses.node).apply(f"{NAMESPACES}/kept", document)
    os.kill(node_of(instance).pid, signal.SIGKILL)
    up(names[0])
    api = Api(instance.kubeconfig, instance.addresses.node)
    assert api.get(f"{NAMESPACES}/kept") is not None
    up(names[0], "--fresh")
    assert api.get(f"{NAMESPACES}/kept") is None


def test_two_clusters_stand_side_by_side(names: tuple[str, str]) -> None:
    one, two = (up(name) for name in names)
    assert not one.addresses.network.overlaps(two.addresses.network)
    localcluster(names[0], "down")
    assert left_behind(one) == []
    assert Api(two.kubeconfig, two.addresses.node).ready()


def test_a_stopped_process_stays_stopped_until_it_is_started(names: tuple[str, str]) -> None:
    instance = up(names[0])
    api = Api(instance.kubeconfig, instance.addresses.node)
    localcluster(names[0], "stop", "kube-apiserver")
    assert not api.ready()
    assert "stopped" in localcluster(names[0], "status")
    localcluster(names[0], "start", "kube-apiserver")
    deadline = time.monotonic() + 60
    while not api.ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.2])
def test_an_interrupted_up_leaves_nothing(
    names: tuple[str, str], number: signal.Signals, seconds: float
) -> None:
    words = command(names[0], "up", "--parts", "apiserver")
    with subprocess.Popen(words, env=environment(), stderr=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        process.send_signal(number)
    instance = state.load(default_cache(), names[0])
    if instance is not None and process.returncode != 0:
        assert left_behind(instance) == []


@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.7])
def test_up_repairs_what_a_killed_up_left(names: tuple[str, str], seconds: float) -> None:
    words = command(names[0], "up", "--parts", "apiserver")
    with subprocess.Popen(words, env=environment(), stderr=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        process.kill()
    instance = up(names[0])
    assert Api(instance.kubeconfig, instance.addresses.node).ready()
    localcluster(names[0], "down")
    assert left_behind(instance) == []


def test_addresses_that_something_else_uses_are_refused_at_once(names: tuple[str, str]) -> None:
    instance = up(names[0])
    localcluster(names[0], "down")
    stranger = str(instance.addresses.services)
    subprocess.run(["ip", "route", "add", "blackhole", stranger], check=True)
    try:
        told = localcluster(names[0], "up", "--parts", "apiserver", code=1)
    finally:
        subprocess.run(["ip", "route", "del", "blackhole", stranger], check=True)
    assert stranger in told
    assert "down --purge" in told
    assert left_behind(instance) == []


def test_the_audit_log_says_who_did_what(names: tuple[str, str]) -> None:
    instance = up(names[0], "--audit")
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "seen"}}
    Api(instance.kubeconfig, instance.addresses.node).apply(f"{NAMESPACES}/seen", document)
    lines = (instance.logs / "audit.log").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    seen = [(e["verb"], e["user"]["username"]) for e in events if e["requestURI"].startswith(
        f"{NAMESPACES}/seen"
    )]  # fmt: skip
    assert ("patch", "admin") in seen
    assert all(event["level"] == "Metadata" for event in events)
