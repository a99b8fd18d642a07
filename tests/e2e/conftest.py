"""One local cluster for all end-to-end tests, with the images built and the operator installed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import toy
from tests.e2e.stage import Stage, Witness
from tests.e2e.subject import History, Subject

from demo import cluster, faults, install
from demo.cluster import Place
from demo.kube import Kubectl
from demo.narrator import Narrator
from demo.play import Play
from localcluster import lifecycle
from localcluster.cache import default_cache
from localcluster.instance import Addition
from localcluster.progress import Progress

SUBJECTS = ("alpha", "beta", "gamma", "delta")
NAME = os.environ.get("CLUSTER_NAME", "test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """The cluster, with the operator; KEEP_CLUSTER=1 leaves it up."""
    progress = Progress()
    cluster.build_images(progress)
    up = cluster.local(NAME, progress, audit=True, additions=frozenset({Addition.PROMETHEUS}))
    try:
        cluster.load_images(up, progress)
        install.install_operator(up)
        yield up
    finally:
        if not os.environ.get("KEEP_CLUSTER"):
            lifecycle.down(default_cache(), NAME, purge=False, progress=progress)


def make_stage(place: Place, namespace: str, tmp: Path, model: str) -> Stage:
    kube = install.make_namespace(place.kube, namespace)
    folders = install.provide_volumes(place, kube, toy.corpus())
    play = Play(kube, Narrator(), place.gateway_url, folders["corpora"] / "toy", tmp, model)
    return Stage(place, play, folders, Witness(kube))


@pytest.fixture(scope="session")
def stage(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A namespace under Pod Security restricted, with the toy corpus and a model that serves."""
    made = make_stage(place, "e2e-story", tmp_path_factory.mktemp("story"), "toy")
    try:
        made.play.first_deployment(toy.model("toy"))
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def second_stage(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Another such namespace, without a model."""
    made = make_stage(place, "e2e-kills", tmp_path_factory.mktemp("kills"), "toy")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def rollouts(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A third such namespace, where models of many rollouts live side by side."""
    faults.provide(place, Progress())
    made = make_stage(place, "e2e-rollouts", tmp_path_factory.mktemp("rollouts"), "none")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def subjects(rollouts: Stage) -> Iterator[Mapping[str, Subject]]:
    """Models that serve there, trained side by side; gamma takes its time for users."""
    history = History(rollouts)
    made = {name: Subject(rollouts, name, history, rollouts.play.folder) for name in SUBJECTS}
    with ThreadPoolExecutor(len(made)) as pool:
        list(pool.map(deploy, made.values()))
    try:
        yield made
    finally:
        for subject in made.values():
            subject.close()
        history.close()


def without_gpu(name: str) -> dict[str, Any]:
    """Return a model whose training waits for no other's GPU."""
    manifest = toy.model(name)
    manifest["spec"]["training"]["resources"] = {"limits": {"memory": "4Gi"}}
    return manifest


def deploy(subject: Subject) -> None:
    manifest = without_gpu(subject.name)
    if subject.name == "gamma":
        manifest["spec"]["serving"]["image"] = faults.image("steady")
    subject.deploy(manifest)


@pytest.fixture(scope="session")
def steady(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A model in a fourth namespace that serves with two pods, and is never changed."""
    folder = tmp_path_factory.mktemp("pods")
    made = make_stage(place, "e2e-pods", folder, "steady")
    history = History(made)
    subject = Subject(made, "steady", history, folder)
    manifest = without_gpu("steady")
    manifest["spec"]["serving"]["replicas"] = {"min": 2, "max": 2}
    try:
        subject.deploy(manifest)
        yield subject
    finally:
        subject.close()
        history.close()
        made.close()


@pytest.fixture(scope="session")
def kube(stage: Stage) -> Kubectl:
    return stage.kube
