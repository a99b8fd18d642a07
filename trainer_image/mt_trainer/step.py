"""The compiled steps: gradients of a part of a batch, the change they make, and the loss.

Each is compiled once, for parts of any shape. Losses and gradients are summed over tokens, so the
parts of a batch add up to what the whole batch would give.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from mt_trainer import fused, loss
from mt_trainer.adam import Adam, joined
from mt_trainer.model import Transformer

_IDS = tf.TensorSpec([None, None], tf.int32)
_NUMBER = tf.TensorSpec([], tf.float32)
_SEED = tf.TensorSpec([2], tf.int64)
_VECTOR = tf.TensorSpec([None], tf.float32)
Step = Any  # a tf.function


def gradients(model: Transformer, smoothing: float, dtype: Any, chunk: int) -> Step:
    """Return the compiled (source, given, wanted, seed [2]) → (cross-entropy sum, gradient).

    The gradient is that of all weights as one vector; ``chunk`` tokens' logits exist at once.
    """

    @tf.function(autograph=False, input_signature=[_IDS, _IDS, _IDS, _SEED])  # type: ignore[untyped-decorator]
    def step(source: Any, given: Any, wanted: Any, seed: Any) -> tuple[Any, Any]:
        weights = [w.value for w in model.trainable_variables]
        real = fused.real_tokens(wanted)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            drop = fused.Drop(model.sizes.dropout, seed, fused.masks(model))
            states = tf.gather(fused.states(model, source, given, drop, dtype), real)
        entropy, of_states, of_embedding = loss.gradients(
            states,
            tf.convert_to_tensor(model.embedding.value),
            tf.gather(tf.reshape(wanted, [-1]), real),
            smoothing,
            chunk,
            dtype,
        )
        found = tape.gradient(states, weights, of_states)
        tied = next(i for i, w in enumerate(weights) if w is model.embedding.value)
        found[tied] = tf.convert_to_tensor(found[tied]) + of_embedding
        return entropy, joined(found)

    return step


def change(adam: Adam) -> Step:
    """Return the compiled (gradient, rate, number of the step from 1) → the gradient's norm.

    It sets the weights.
    """

    @tf.function(autograph=False, input_signature=[_VECTOR, _NUMBER, _NUMBER])  # type: ignore[untyped-decorator]
    def step(gradient: Any, rate: Any, number: Any) -> Any:
        return adam.apply(gradient, rate, number)

    return step


def entropy(model: Transformer, dtype: Any, chunk: int) -> Step:
    """Return the compiled measure: (source, given, wanted) → cross-entropy sum."""

    @tf.function(autograph=False, input_signature=[_IDS] * 3)  # type: ignore[untyped-decorator]
    def step(source: Any, given: Any, wanted: Any) -> Any:
        drop = fused.Drop(0.0, tf.zeros([2], tf.int32), fused.masks(model))
        real = fused.real_tokens(wanted)
        states = tf.gather(fused.states(model, source, given, drop, dtype), real)
        wanted = tf.gather(tf.reshape(wanted, [-1]), real)
        embedding = tf.convert_to_tensor(model.embedding.value)
        return loss.entropy(states, embedding, wanted, chunk)

    return step
