"""What test_jax.py does on JAX, in one process: Keras computes with one backend in a process.

Called with a folder: reads ``tensorflow.safetensors`` and the text in it, and writes what it found.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tests.trainer import builders

from mt_trainer import device_jax, tokenizer
from mt_trainer.encoded import Batch, Encoded

STEPS = 6
SHAPE = (16, 12, 12)  # of all batches: compiled once


def rate(number: int) -> float:
    return 0.002 * number


def batches(text: Encoded) -> list[Batch]:
    """Return the batches of all steps; the last one is not full."""
    rows = [range(12 * i, 12 * i + (12 if i < STEPS - 1 else 7)) for i in range(STEPS)]
    return [text.batch(np.array(row), SHAPE) for row in rows]


def main(folder: Path) -> None:
    device_jax.choose()
    device_jax.prepare("Float32")
    text, model = builders.text(folder)
    size = tokenizer.load(model).vocab_size()
    found: dict[str, Any] = {"plain": [], "whole": [], "resumed": [], "bfloat16": []}
    plain = learner(size, "0")
    plain.restore(load_file(folder / "tensorflow.safetensors"))
    found["plain"] = steps(plain, text, 0)
    found["validation"] = plain.validate(batches(text))
    save_file(plain.state(), folder / "jax.safetensors")

    dropping = learner(size, "0.3")
    begun = dropping.state()
    found["whole"] = steps(dropping, text, 0)
    resumed = learner(size, "0.3")
    resumed.restore(begun)
    steps(resumed, text, 0, 3)
    third = learner(size, "0.3")
    third.restore(resumed.state())
    found["resumed"] = steps(third, text, 3)

    device_jax.prepare("BFloat16")
    low = learner(size, "0")
    low.restore(load_file(folder / "tensorflow.safetensors"))
    found["bfloat16"] = steps(low, text, 0)
    found["kinds"] = sorted({str(array.dtype) for array in low.state().values()})
    (folder / "found.json").write_text(json.dumps(found))


def learner(size: int, dropout: str) -> Any:
    from mt_trainer.learner_jax import Learner

    over = {"training": {"architecture": {"dropout": dropout}}}
    return Learner(builders.decoded(over).training, size)


def steps(learns: Any, text: Encoded, first: int, last: int = STEPS) -> list[float]:
    """Take some steps; return the loss of each."""
    losses = []
    for i, batch in enumerate(batches(text)[first:last], start=first + 1):
        entropy, tokens = learns.learn(batch, rate(i), i)
        losses.append(entropy / tokens)
    return losses


if __name__ == "__main__":
    main(Path(sys.argv[1]))
