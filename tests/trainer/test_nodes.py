"""Real processes that train together: what they learn, and that none of them is waited for in vain.

Each node but the first has a folder of its own, so nothing here needs a shared volume.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.trainer import builders, killing, on_jax

from mt_contract import artifact, names

pytestmark = pytest.mark.slow

LONG = int(os.environ.get("MT_KILLS", "5")) > 5  # as `make test-all` sets it
RECIPE = {"training": {"budget": {"maxEpochs": 5}}}  # dropout and all
ABORTED = -signal.SIGABRT  # how JAX ends those that hear nothing any more from a node
LOST = (names.ExitCode.NODE_LOST, ABORTED)  # both are tried again
PATIENCE = 900  # seconds; a bound on waiting: two nodes take turns on a busy machine
STOPPED = 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return killing.corpus(tmp_path_factory.mktemp("nodes"))


@pytest.fixture(scope="module")
def alone(place: Path) -> list[dict[str, Any]]:
    """The curve of one node that learns on JAX."""
    (process,) = start(place, place / "alone", 1)
    assert process.wait(PATIENCE) == 0
    assert "training with JAX" in killing.log(place, place / "alone").read_text()
    return killing.curve(place / "alone")


def start(
    place: Path, out: Path, count: int, own: dict[int, dict[str, str]] | None = None
) -> list[subprocess.Popen[bytes]]:
    """Start the nodes of a training; ``own`` is what one of them has in its environment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    recipe = builders.environment(place / out.name, RECIPE)["MT_RECIPE"]
    shared = {"MT_RECIPE": recipe, "KERAS_BACKEND": "jax"} | on_jax.compiled_once(place)
    if count > 1:
        shared |= {"MT_NODES": str(count), "MT_COORDINATOR": f"localhost:{port}"}
    return [
        killing.start(
            place,
            folder(out, i),
            shared | {"JOB_COMPLETION_INDEX": str(i)} | (own or {}).get(i, {}),
        )
        for i in range(count)
    ]


def folder(out: Path, index: int) -> Path:
    return out if index == 0 else out.with_name(f"{out.name}-node-{index}")


def ends(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    try:
        return [process.wait(PATIENCE) for process in processes]
    finally:
        for process in processes:
            process.kill()


def check_published(out: Path) -> None:
    """See that there is an artifact, and that one node alone wrote."""
    artifact.verify(out / names.MODEL_FOLDER, killing.result(out).artifact["digest"])
    assert not folder(out, 1).exists()


@pytest.fixture(scope="module")
def unbroken(place: Path) -> list[dict[str, Any]]:
    """The curve of two nodes that nothing happens to."""
    out = place / "two"
    assert ends(start(place, out, 2)) == [0, 0]
    check_published(out)
    return killing.curve(out)


def test_two_nodes_learn_what_one_learns(
    alone: list[dict[str, Any]], unbroken: list[dict[str, Any]]
) -> None:
    assert len(unbroken) == len(alone)
    for mine, theirs in zip(unbroken, alone, strict=True):
        # Sums in another order differ in the last digit, and that grows with the steps.
        assert mine == pytest.approx(theirs, rel=5e-3)


@pytest.mark.parametrize(
    ("victim", "number", "codes"),
    [
        pytest.param(1, signal.SIGKILL, (LOST, (-signal.SIGKILL,)), id="a helper killed"),
        pytest.param(
            1,
            signal.SIGTERM,
            ((STOPPED,), (STOPPED,)),
            id="a helper asked to end",
            marks=pytest.mark.skipif(not LONG, reason="part of make test-all"),
        ),
        pytest.param(
            0,
            signal.SIGKILL,
            ((-signal.SIGKILL,), LOST),
            id="the first killed",
            marks=pytest.mark.skipif(not LONG, reason="part of make test-all"),
        ),
        pytest.param(
            1,
            signal.SIGSTOP,
            (LOST, (-signal.SIGKILL,)),
            id="a helper that hangs",
            marks=pytest.mark.skipif(not LONG, reason="part of make test-all"),
        ),
    ],
)
def test_a_node_that_goes_takes_the_others_along_and_nothing_is_lost(
    place: Path,
    unbroken: list[dict[str, Any]],
    victim: int,
    number: signal.Signals,
    codes: tuple[tuple[int, ...], ...],
) -> None:
    out = place / f"{number.name}-{victim}"
    nodes = start(place, out, 2)
    killing.send_in_mid_epoch(nodes[victim], out, number, PATIENCE)
    nodes[1 - victim].wait(PATIENCE)
    if number == signal.SIGSTOP:
        nodes[victim].kill()
    for code, allowed in zip(ends(nodes), codes, strict=True):
        assert code in allowed
    assert not (out / names.MODEL_FOLDER).exists()
    assert ends(start(place, out, 2)) == [0, 0]
    assert "going on from the checkpoint" in killing.log(place, folder(out, 1)).read_text()
    check_published(out)
    assert killing.curve(out) == unbroken


def test_a_node_with_another_recipe_is_named_by_all(place: Path) -> None:
    out = place / "different"
    other = builders.environment(place / "x", {"training": {"seed": 7}})["MT_RECIPE"]
    assert ends(start(place, out, 2, {1: {"MT_RECIPE": other}})) == [names.ExitCode.BAD_DATA] * 2
    for i in range(2):
        log = killing.log(place, folder(out, i)).read_text()
        assert "DataInvalid: the nodes have not the same recipe: node 0 sha256:" in log
