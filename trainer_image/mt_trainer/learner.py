"""The network while it learns: steps, validation, and all of its state as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from mt_contract.resource import Training
from mt_trainer import model, step, weights
from mt_trainer.adam import Adam
from mt_trainer.checkpoint import Arrays
from mt_trainer.device import Device
from mt_trainer.encoded import Batch
from mt_trainer.tokenizer import PAD

_PARTS = 1 << 20  # more than a batch ever has: tells the seeds of steps apart


_Part = tuple[np.ndarray, np.ndarray, np.ndarray]  # source, given, wanted


class Learner:
    """A network, its optimizer, and the compiled steps.

    A batch is computed in parts of a few tokens, as many at a time as the device takes, and their
    gradients are added up: that fits a large batch into a small memory, and keeps every core busy
    with a part of its own, which costs less than dividing each operation among them.
    """

    def __init__(
        self,
        training: Training,
        vocabulary: int,
        start: Arrays | None = None,
        device: Device = Device(),  # noqa: B008 - frozen
    ) -> None:
        """Make a network: with the weights of ``start``, by name, or else with fresh ones.

        Fresh ones follow from the recipe's seed.
        """
        self.model = model.build(model.Sizes.of(training.architecture, vocabulary), training.seed)
        if start is not None:
            weights.start_from(self.model, start)
        self._seed, self._device = training.seed, device
        self._adam = Adam(self.model.trainable_variables, float(training.optimizer.gradient_clip))
        dtype = keras.config.dtype_policy().compute_dtype
        smoothing = float(training.optimizer.label_smoothing)
        self._gradients = step.gradients(self.model, smoothing, dtype)
        self._change = step.change(self._adam)
        self._entropy = step.entropy(self.model, dtype)
        self._pool = ThreadPoolExecutor(device.parts_at_once)

    def learn(self, batch: Batch, rate: float, number: int) -> tuple[float, int]:
        """Take step ``number`` (from 1); return the batch's cross-entropy sum and its tokens."""
        parts = self._parts(batch)
        seeds = [(self._seed, number * _PARTS + i) for i in range(len(parts))]
        entropy, gradient = 0.0, None
        for of_part, its_gradient in self._pool.map(
            lambda part, seed: self._gradients(*part, tf.constant(seed, tf.int64)), parts, seeds
        ):
            entropy += float(of_part)
            gradient = its_gradient if gradient is None else gradient + its_gradient
        tokens = int((batch.wanted != PAD).sum())
        self._change(
            gradient / tokens, tf.constant(rate, tf.float32), tf.constant(number, tf.float32)
        )
        return entropy, tokens

    def validate(self, batches: Iterable[Batch]) -> float:
        """Return the cross-entropy per token (nats), with the mean of the weights."""
        entropy, tokens = 0.0, 0
        with self._averaged():
            for batch in batches:
                entropy += sum(map(float, self._pool.map(lambda p: self._entropy(*p), self._parts(batch))))
                tokens += int((batch.wanted != PAD).sum())
        return entropy / tokens

    def _parts(self, batch: Batch) -> list[_Part]:
        """Return the batch in parts of like numbers of tokens, each no wider than its longest."""
        rows, width = len(batch.source), max(batch.source.shape[1], batch.wanted.shape[1])
        lengths = np.stack([(side != PAD).sum(1) for side in (batch.source, batch.wanted)])
        count = min(rows, -(-rows * width // self._device.part_tokens))
        order = np.argsort(lengths.max(0), kind="stable")
        parts = []
        for part in np.array_split(order, count):
            source, target = lengths[:, part].max(1)
            parts.append((batch.source[part, :source], batch.given[part, :target], batch.wanted[part, :target]))
        return parts

    def state(self) -> dict[str, np.ndarray]:
        """Return all that decides what follows: weights, dropout's random state, optimizer."""
        # Numbered, not named: dropout's variables are named by how many the process made before.
        variables = {f"model/{i:04d}": v.numpy() for i, v in enumerate(self.model.variables)}
        return variables | {f"adam/{name}": v.numpy() for name, v in self._adam.state.items()}

    def restore(self, arrays: Arrays) -> None:
        """Set everything that ``state`` returned."""
        for i, variable in enumerate(self.model.variables):
            variable.assign(arrays[f"model/{i:04d}"])
        for name, variable in self._adam.state.items():
            variable.assign(arrays[f"adam/{name}"])

    def mean_weights(self) -> dict[str, np.ndarray]:
        """Return the running mean of the weights, which is what is validated and exported."""
        return {"mean": self._adam.mean.numpy()}

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        own = self._adam.weights()
        self._adam.assign(self._adam.mean)
        try:
            yield
        finally:
            self._adam.assign(own)
