"""One local cluster for all end-to-end tests, with the images built and the operator installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e import faults, toy
from tests.e2e.stage import Stage, Witness
from tests.e2e.subject import History, Subject

from demo import cluster, install
from demo.cluster import Place
from demo.kube import Kubectl
from demo.narrator import Narrator
from demo.play import Play
from localcluster import lifecycle
from localcluster.cache import default_cache
from localcluster.instance import Addition
from localcluster.progress import Progress

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
def make_subject(rollouts: Stage) -> Iterator[Callable[[str], Subject]]:
    """Make a model's stand in that namespace; the model itself is still to be applied."""
    history, made = History(rollouts), list[Subject]()

    def make(name: str) -> Subject:
        made.append(Subject(rollouts, name, history, rollouts.play.folder))
        return made[-1]

    try:
        yield make
    finally:
        for subject in made:
            subject.close()
        history.close()


@pytest.fixture(scope="session")
def kube(stage: Stage) -> Kubectl:
    return stage.kube
