"""What several nodes agree on, as one node sees it; test_nodes.py has several."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from mt_contract.errors import DivergedError, NodesError
from mt_trainer import apart, distributed
from mt_trainer.checkpoint import Position, Store
from mt_trainer.distributed import Agreement, SharedStore
from mt_trainer.signals import StoppedError, Stopper

ARRAYS = {"model/0000": np.arange(6.0, dtype=np.float32), "adam/first": np.zeros(3, np.float32)}


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 30])
def test_what_the_first_gives_arrives_whole(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "_PIECE", 8)
    data = bytes(range(size))
    assert distributed.broadcast(data) == data


def test_a_checkpoint_arrives_as_it_was_kept() -> None:
    position = Position(epoch=3, step=17, best=1.25, rollbacks=1)
    found = distributed._unpacked(distributed._packed((ARRAYS, position)))
    assert found is not None
    assert found[1] == position
    assert found[0].keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[0][name], array)
    assert distributed._unpacked(distributed._packed(None)) is None


def test_only_the_first_node_writes(tmp_path: Path) -> None:
    other = SharedStore(Store(tmp_path / "other", "id"), leads=False)
    first = SharedStore(Store(tmp_path / "first", "id"), leads=True)
    for store in (other, first):
        store.save(ARRAYS, Position(step=2))
        store.save_best(ARRAYS)
    assert not (tmp_path / "other").exists()
    assert len(list((tmp_path / "first").iterdir())) == 2
    other.clear()
    first.clear()
    assert list((tmp_path / "first").iterdir()) == []


def test_a_wish_to_stop_is_heard_at_the_next_agreement() -> None:
    stopper = Stopper()
    agreed = Agreement(stopper, clock=lambda: 7.5, cpu=lambda: 2.0)
    assert (agreed.clock(), agreed.cpu(), agreed.is_set()) == (7.5, 2.0, False)
    stopper.code = 143
    stopper.event.set()
    assert not agreed.is_set()
    agreed.clock()
    assert agreed.is_set()
    assert stopper.code == 143


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        pytest.param(
            jax.errors.JaxRuntimeError("UNKNOWN: Gloo all-reduce failed: Connection closed"),
            NodesError,
            id="a broken connection is a lost node",
        ),
        pytest.param(
            ValueError("UNKNOWN: Gloo AllGather failed: Connection reset by peer"),
            NodesError,
            id="a broken connection that is told of late is one too",
        ),
        pytest.param(ValueError("no such shape"), ValueError, id="a fault of ours is one"),
        pytest.param(
            jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"),
            jax.errors.JaxRuntimeError,
            id="too little memory is not",
        ),
        pytest.param(StoppedError("after step 3"), StoppedError, id="a stop is a stop"),
        pytest.param(DivergedError("again"), DivergedError, id="what diverged has diverged"),
    ],
)
def test_how_a_training_together_ends(raised: Exception, seen: type[Exception]) -> None:
    with pytest.raises(seen), distributed.together():
        raise raised


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "arguments", "seen"),
    [
        pytest.param(os.getenv, ("KERAS_BACKEND",), "tensorflow", id="it has TensorFlow"),
        pytest.param(int, ("x",), ValueError, id="what it raises is raised here"),
        pytest.param(os._exit, (7,), RuntimeError, id="that it died is told"),
    ],
)
def test_work_apart(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], arguments: Any, seen: Any
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    if isinstance(seen, type):
        with pytest.raises(seen):
            apart.on_tensorflow(function, *arguments)
    else:
        assert apart.on_tensorflow(function, *arguments) == seen
    assert os.environ["KERAS_BACKEND"] == "jax"
