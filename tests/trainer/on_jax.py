"""What test_jax.py does on JAX, in one process: Keras computes with one backend in a process.

Called with a folder: reads ``tensorflow.safetensors`` and the text in it, and writes what it found.
"""

from __future__ import annotations

import json
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tests.trainer import builders

from mt_trainer import device_jax, shapes, tokenizer
from mt_trainer.checkpoint import Position, Store
from mt_trainer.encoded import Batch, Encoded
from mt_trainer.schedule import BETA_1
from mt_trainer.train import Plan, fit

STEPS = 6
SHAPE = (8, 24, 24)  # of all batches that are packed: compiled once


def compiled_once(folder: Path) -> dict[str, str]:
    """Return what has JAX keep what it compiles: others here compile the same."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def rate(number: int) -> float:
    return 0.002 * number


def batches(text: Encoded, shape: tuple[int, int, int] | None) -> list[Batch]:
    """Return the batches of all steps; the last one is not full."""
    rows = [range(12 * i, 12 * i + (12 if i < STEPS - 1 else 7)) for i in range(STEPS)]
    return [text.batch(np.array(row), shape) for row in rows]


def main(folder: Path) -> None:
    device_jax.choose()
    device_jax.prepare("Float32")
    text, model = builders.text(folder)
    size = tokenizer.load(model).vocab_size()
    found: dict[str, Any] = {"plain": [], "whole": [], "resumed": [], "bfloat16": []}
    plain = learner(size, "0")
    plain.restore(load_file(folder / "tensorflow.safetensors"))
    found["plain"] = steps(plain, batches(text, SHAPE))
    found["norm"] = plain.gradient_norm
    found["validation"] = plain.validate(batches(text, SHAPE))
    save_file(plain.state(), folder / "jax.safetensors")
    found["packed"] = packed(learner(size, "0", "0"), text)

    dropping = learner(size, "0.3")
    begun = dropping.state()
    found["whole"] = steps(dropping, batches(text, SHAPE))
    resumed = learner(size, "0.3")
    resumed.restore(begun)
    steps(resumed, batches(text, SHAPE)[:3])
    third = learner(size, "0.3")
    third.restore(resumed.state())
    found["resumed"] = steps(third, batches(text, SHAPE)[3:], 3)
    found["curve"] = curve(size, text, folder / "whole")
    found["cut"] = curve(size, text, folder / "cut", killed_after=5)
    found["rest"] = curve(size, text, folder / "cut")

    device_jax.prepare("BFloat16")
    low = learner(size, "0")
    low.restore(load_file(folder / "tensorflow.safetensors"))
    found["bfloat16"] = steps(low, batches(text, SHAPE))
    found["kinds"] = sorted({str(array.dtype) for array in low.state().values()})
    (folder / "found.json").write_text(json.dumps(found))


def learner(size: int, dropout: str, clip: str = "1") -> Any:
    from mt_trainer.learner_jax import Learner

    over = {"architecture": {"dropout": dropout}, "optimizer": {"gradientClip": clip}}
    return Learner(builders.decoded({"training": over}).training, size)


def steps(learns: Any, some: list[Batch], done: int = 0) -> list[float]:
    """Take a step with each batch; return their losses."""
    losses = []
    for i, batch in enumerate(some, start=done + 1):
        entropy, tokens = learns.learn(batch, rate(i), i)
        losses.append(entropy / tokens)
    return losses


def packed(learns: Any, text: Encoded) -> dict[str, Any]:
    """Return loss and gradient of pairs that share rows, and of the same pairs one by one."""
    begun = learns.state()
    pairs = np.arange(20)
    together = text.batch(pairs, SHAPE)
    assert (together.given == tokenizer.BOS).sum(1).max() >= 2
    entropy, gradient = judged(learns, begun, together)
    alone = [judged(learns, begun, text.batch(np.array([pair]), SHAPE)) for pair in pairs]
    one_by_one = np.sum([gradient for _, gradient in alone], 0)
    return {
        "entropy": entropy,
        "one by one": sum(entropy for entropy, _ in alone),
        "largest": float(np.abs(one_by_one).max()),
        "difference": float(np.abs(gradient - one_by_one).max()),
    }


def judged(learns: Any, begun: dict[str, np.ndarray], batch: Batch) -> tuple[float, np.ndarray]:
    """Return a batch's cross-entropy and gradient, summed over tokens, at the weights ``begun``."""
    learns.restore(begun)
    entropy, tokens = learns.learn(batch, 0.0, 1)
    return entropy, tokens * learns.state()["adam/first"] / (1 - BETA_1)


def curve(size: int, text: Encoded, folder: Path, killed_after: int = 0) -> dict[int, float | None]:
    """Train two epochs with a checkpoint after each third step; return the losses by step."""
    losses: dict[int, float | None] = {}

    def report(position: Position, ended: bool) -> None:
        losses[position.step] = position.last if ended else position.smoothed
        if position.step == killed_after:
            raise KeyboardInterrupt

    training = builders.decoded({"training": {"architecture": {"dropout": "0.3"}}}).training
    counts = shapes.histogram(text.lengths)
    chosen = shapes.choose(counts, training.optimizer.batch_tokens, multiple=8)
    ticks = iter(range(10**6))
    plan = Plan(
        training,
        text,
        text,
        3,
        threading.Event(),
        report,
        lambda: float(next(ticks)),
        shape=chosen,
    )
    with suppress(KeyboardInterrupt):
        fit(learner(size, "0.3"), plan, Store(folder, "id"))
    return losses


if __name__ == "__main__":
    main(Path(sys.argv[1]))
