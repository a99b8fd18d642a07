"""The learner on JAX beside the one on TensorFlow, which it must not differ from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file
from tests.trainer import builders, on_jax

from mt_trainer import backend, device, tokenizer
from mt_trainer.config import Node
from mt_trainer.encoded import Encoded

device.quiet_environment()


@dataclass(frozen=True)
class Pair:
    """What both have done from the same beginning: TensorFlow here, JAX in another process."""

    text: Encoded
    plain: list[float]  # losses of the steps, dropout 0
    norm: float  # of the last step's gradient
    validation: float
    learner: Any  # TensorFlow's, at the end of them
    found: dict[str, Any]
    folder: Path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    from mt_trainer.learner import Learner

    folder = tmp_path_factory.mktemp("jax")
    text, model = builders.text(folder)
    over = {"training": {"architecture": {"dropout": "0"}}}
    learner = Learner(builders.decoded(over).training, tokenizer.load(model).vocab_size())
    save_file(learner.state(), folder / "tensorflow.safetensors")
    plain = on_jax.steps(learner, on_jax.batches(text, None))
    norm = learner.gradient_norm
    validation = learner.validate(on_jax.batches(text, None))
    done = subprocess.run(
        [sys.executable, "-m", "tests.trainer.on_jax", str(folder)],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
        | on_jax.compiled_once(folder),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "found.json").read_text())
    return Pair(text, plain, norm, validation, learner, found, folder)


@pytest.mark.slow
def test_the_losses_are_tensorflows(pair: Pair) -> None:
    assert pair.found["plain"] == pytest.approx(pair.plain, rel=1e-4)
    assert pair.found["validation"] == pytest.approx(pair.validation, rel=1e-4)
    assert pair.plain[-1] < pair.plain[0]
    assert pair.found["norm"] == pytest.approx(pair.norm, rel=1e-3)


@pytest.mark.slow
def test_a_checkpoint_of_either_is_read_by_both(pair: Pair) -> None:
    arrays, mine = load_file(pair.folder / "jax.safetensors"), pair.learner.state()
    assert {name: array.shape for name, array in arrays.items()} == {
        name: array.shape for name, array in mine.items()
    }
    pair.learner.restore(arrays)
    again = pair.learner.validate(on_jax.batches(pair.text, None))
    assert again == pytest.approx(pair.found["validation"], rel=1e-4)


@pytest.mark.slow
def test_a_resumed_training_drops_out_what_the_unbroken_one_did(pair: Pair) -> None:
    whole, resumed = pair.found["whole"], pair.found["resumed"]
    assert resumed == whole[-len(resumed) :]
    assert whole[0] != pytest.approx(pair.plain[0], rel=1e-6)


@pytest.mark.slow
def test_killed_in_mid_epoch_it_ends_with_the_losses_of_the_unbroken_one(pair: Pair) -> None:
    whole, cut, rest = (pair.found[name] for name in ("curve", "cut", "rest"))
    assert max(map(int, cut)) == 5
    assert min(map(int, rest)) == 4
    assert cut | rest == whole


@pytest.mark.slow
def test_pairs_that_share_rows_have_the_loss_and_gradient_of_pairs_one_by_one(pair: Pair) -> None:
    found = pair.found["packed"]
    assert found["entropy"] == pytest.approx(found["one by one"], rel=1e-5)
    assert found["difference"] < 1e-5 * found["largest"]


@pytest.mark.slow
def test_bfloat16_learns_the_same_and_keeps_float32(pair: Pair) -> None:
    assert pair.found["bfloat16"] == pytest.approx(pair.plain, rel=0.02)
    assert set(pair.found["kinds"]) <= {"float32", "uint32"}


@pytest.mark.parametrize(
    ("environment", "nodes", "jax"),
    [
        pytest.param({}, 1, False, id="TensorFlow where nothing is said"),
        pytest.param({"KERAS_BACKEND": "tensorflow"}, 1, False, id="TensorFlow where it is said"),
        pytest.param({"KERAS_BACKEND": "jax"}, 1, True, id="JAX where it is said"),
        pytest.param({"KERAS_BACKEND": "tensorflow"}, 2, True, id="JAX on several nodes"),
    ],
)
def test_which_backend_learns(environment: dict[str, str], nodes: int, jax: bool) -> None:
    assert backend.is_jax(environment, Node(0, nodes)) is jax
