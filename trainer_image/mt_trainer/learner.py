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

_MOST = 1 << 20  # micro-batches of a step at most: tells the seeds of steps apart
_DEVICE = Device()
_MicroBatch = tuple[np.ndarray, ...]  # source, given, wanted


class Learner:
    """A network, its optimizer, and the compiled steps.

    A batch is computed in micro-batches, as many side by side as the device has workers, and their
    gradients are added up. So a large batch fits into a small memory, and each core is busy with a
    micro-batch of its own, which costs less than dividing every operation among them.
    """

    def __init__(
        self,
        training: Training,
        vocabulary: int,
        start: Arrays | None = None,
        device: Device = _DEVICE,
    ) -> None:
        """Make a network: with the weights of ``start``, by name, or else with fresh ones.

        Fresh ones follow from the recipe's seed.
        """
        self.model = model.build(model.Sizes.of(training.architecture, vocabulary), training.seed)
        if start is not None:
            weights.start_from(self.model, start)
        self._seed, self._device = training.seed % 2**32, device
        self._adam = Adam(self.model.trainable_variables, float(training.optimizer.gradient_clip))
        dtype = keras.config.dtype_policy().compute_dtype
        smoothing = float(training.optimizer.label_smoothing)
        chunk = max(1, device.logits // vocabulary)
        self._gradients = step.gradients(self.model, smoothing, dtype, chunk)
        self._change = step.change(self._adam)
        self._entropy = step.entropy(self.model, dtype, chunk)
        self._pool = ThreadPoolExecutor(device.workers)
        self._norm = 0.0

    def learn(self, batch: Batch, rate: float, number: int) -> tuple[float, int]:
        """Take step ``number`` (from 1); return the batch's cross-entropy sum and its tokens."""
        micro = self._micro_batches(batch)
        seeds = [tf.constant([self._seed, number * _MOST + i], tf.int64) for i in range(len(micro))]
        entropy, gradient = 0.0, tf.constant(0.0)
        # Added in the order of the micro-batches, whichever is done first: sums are the same then.
        for its_entropy, its_gradient in self._pool.map(
            lambda ids, seed: self._gradients(*ids, seed), micro, seeds
        ):
            entropy, gradient = entropy + float(its_entropy), gradient + its_gradient
        tokens = int((batch.wanted != PAD).sum())
        self._norm = self._change(
            gradient / tokens, tf.constant(rate, tf.float32), tf.constant(number, tf.float32)
        )
        return entropy, tokens

    @property
    def gradient_norm(self) -> float:
        """Return the norm of the last step's gradient (nats per token), before it was clipped."""
        return float(self._norm)

    def validate(self, batches: Iterable[Batch]) -> float:
        """Return the cross-entropy per token (nats), with the mean of the weights."""
        entropy, tokens = 0.0, 0
        with self._averaged():
            for batch in batches:
                sums = self._pool.map(lambda ids: self._entropy(*ids), self._micro_batches(batch))
                entropy += sum(map(float, sums))
                tokens += int((batch.wanted != PAD).sum())
        return entropy / tokens

    def _micro_batches(self, batch: Batch) -> list[_MicroBatch]:
        """Return the rows by length, in parts of like size, each no wider than its longest row."""
        lengths = np.stack([(side != PAD).sum(1) for side in (batch.source, batch.wanted)])
        padded = len(batch.source) * int(lengths.max())
        count = min(len(batch.source), -(-padded // self._device.micro_batch_tokens))
        found = []
        for rows in np.array_split(np.argsort(lengths.max(0), kind="stable"), count):
            source, target = lengths[:, rows].max(1)
            both = (ids[rows, :target] for ids in (batch.given, batch.wanted))
            found.append((batch.source[rows, :source], *both))
        return found

    @property
    def traces(self) -> int:
        """Return how many graphs the training steps were compiled to so far."""
        steps = (self._gradients, self._change)
        return sum(one.experimental_get_tracing_count() for one in steps)

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
