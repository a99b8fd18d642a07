"""The network while it learns: steps, validation, and all of its state as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from mt_contract.resource import Training
from mt_trainer import model, step
from mt_trainer.adam import Adam
from mt_trainer.encoded import Batch


class Learner:
    """A network, its optimizer, and the two compiled steps."""

    def __init__(self, training: Training, vocabulary: int) -> None:
        """Make a network with fresh weights, which follow from the recipe's seed."""
        self.model = model.build(model.Sizes.of(training.architecture, vocabulary), training.seed)
        self._adam = Adam(self.model.trainable_variables, float(training.optimizer.gradient_clip))
        self._train = step.train_step(
            self.model, self._adam, float(training.optimizer.label_smoothing)
        )
        self._measure = step.loss_step(self.model)

    def learn(self, batch: Batch, rate: float, number: int) -> tuple[float, int]:
        """Take step ``number`` (from 1); return the batch's cross-entropy sum and its tokens."""
        entropy, tokens = self._train(
            batch.source,
            batch.given,
            batch.wanted,
            tf.constant(rate, tf.float32),
            tf.constant(number, tf.float32),
        )
        return float(entropy), int(tokens)

    def validate(self, batches: Iterable[Batch]) -> float:
        """Return the cross-entropy per token (nats), with the mean of the weights."""
        entropy, tokens = 0.0, 0
        with self._averaged():
            for batch in batches:
                total, count = self._measure(batch.source, batch.given, batch.wanted)
                entropy, tokens = entropy + float(total), tokens + int(count)
        return entropy / tokens

    def state(self) -> dict[str, np.ndarray]:
        """Return all that decides what follows: weights, dropout's random state, optimizer."""
        # Numbered, not named: dropout's variables are named by how many the process made before.
        variables = {f"model/{i:04d}": v.numpy() for i, v in enumerate(self.model.variables)}
        return variables | {f"adam/{name}": v.numpy() for name, v in self._adam.state.items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
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
