"""Adam with global clipping and a running mean of the weights, over all weights as one vector.

One vector, because a separate update of each of a hundred tensors takes a graph twice as large,
which is compiled for three seconds more than it is worth. The running mean weighs step t by
(η+1)/(t+η): whenever it is looked at, it is about the mean of the last ninth of the steps, so it
needs no horizon to be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mt_trainer.schedule import BETA_1, BETA_2, EPSILON, ETA


class Adam:
    """The state of the optimizer: vectors as long as all weights together."""

    def __init__(self, weights: Sequence[Any], clip: float) -> None:
        """Begin with fresh moments, and the weights as their own mean; ``clip`` 0 clips nothing."""
        self._weights = [weight.value for weight in weights]
        self._clip = clip
        zeros = tf.zeros_like(self.weights())
        self.first = tf.Variable(zeros, name="first_moment")
        self.second = tf.Variable(zeros, name="second_moment")
        self.mean = tf.Variable(self.weights(), name="mean")

    @property
    def state(self) -> dict[str, Any]:
        """Return the variables that a resumed training needs, by name."""
        return {"first": self.first, "second": self.second, "mean": self.mean}

    def weights(self) -> Any:
        """Return all weights as one vector."""
        return joined(self._weights)

    def assign(self, vector: Any) -> None:
        """Set all weights from one vector."""
        assign(self._weights, vector)

    def apply(self, gradient: Any, rate: Any, step: Any) -> Any:
        """Change the weights by one step; return the gradient's norm, before it is clipped.

        Args:
            gradient: of all weights, as one vector.
            rate: of this step.
            step: number of this step from 1, as a float.
        """
        norm = tf.norm(gradient)
        if self._clip:
            gradient *= tf.minimum(1.0, self._clip / (norm + 1e-12))
        first = self.first.assign(BETA_1 * self.first + (1 - BETA_1) * gradient)
        second = self.second.assign(BETA_2 * self.second + (1 - BETA_2) * tf.square(gradient))
        scale = rate * tf.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
        weights = self.weights() - scale * first / (tf.sqrt(second) + EPSILON)
        self.assign(weights)
        self.mean.assign_add((weights - self.mean) * ((ETA + 1) / (step + ETA)))
        return norm


def assign(weights: Sequence[Any], vector: Any) -> None:
    """Set ``weights`` (variables) from one vector of all their values in order."""
    sizes = [int(np.prod(weight.shape)) for weight in weights]
    for weight, part in zip(weights, tf.split(vector, sizes), strict=True):
        weight.assign(tf.reshape(part, weight.shape))


def joined(tensors: Sequence[Any]) -> Any:
    """Return the values of all tensors, one after the other, as one vector."""
    return tf.concat([tf.reshape(tf.convert_to_tensor(tensor), [-1]) for tensor in tensors], 0)
