"""One step of training and one of validation, compiled once for batches of any shape.

Losses are summed over tokens and returned with their count. The reported loss is the plain
cross-entropy in nats per token, for training and validation alike; label smoothing only shapes the
gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mt_trainer.adam import Adam
from mt_trainer.model import Transformer
from mt_trainer.tokenizer import PAD

_IDS = tf.TensorSpec([None, None], tf.int32)
_NUMBER = tf.TensorSpec([], tf.float32)
Step = Callable[..., tuple[Any, Any]]


def losses(model: Transformer, states: Any, wanted: Any, smoothing: float) -> tuple[Any, Any, Any]:
    """Return the sums of objective and cross-entropy over a batch's tokens, and their number.

    With smoothing ε the target is 1 - ε on the wanted token and ε spread evenly, so the objective
    is the cross-entropy plus ε (logit of the wanted token - mean logit). Both come from the states
    without another pass over the vocabulary.
    """
    real = tf.cast(wanted != PAD, tf.float32)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
        wanted, tf.cast(model.logits(states), tf.float32)
    )
    entropy = tf.reduce_sum(entropy * real)
    embedding = tf.convert_to_tensor(model.embedding)
    gap = tf.gather(embedding, wanted) - tf.reduce_mean(embedding, 0)
    gap = tf.reduce_sum(tf.reduce_sum(tf.cast(states, tf.float32) * gap, -1) * real)
    return entropy + smoothing * gap, entropy, tf.reduce_sum(real)


def train_step(model: Transformer, adam: Adam, smoothing: float) -> Step:
    """Return the compiled step: a batch, rate, number from 1 → (cross-entropy sum, tokens)."""

    @tf.function(autograph=False, input_signature=[_IDS, _IDS, _IDS, _NUMBER, _NUMBER])  # type: ignore[untyped-decorator]
    def step(source: Any, given: Any, wanted: Any, rate: Any, number: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            states = model((source, given), training=True)
            objective, entropy, tokens = losses(model, states, wanted, smoothing)
            objective = objective / tokens
        adam.apply(
            tape.gradient(objective, [w.value for w in model.trainable_variables]), rate, number
        )
        return entropy, tokens

    return step  # type: ignore[no-any-return]


def loss_step(model: Transformer) -> Step:
    """Return the compiled measure: (source, given, wanted) → (cross-entropy sum, tokens)."""

    @tf.function(autograph=False, input_signature=[_IDS] * 3)  # type: ignore[untyped-decorator]
    def step(source: Any, given: Any, wanted: Any) -> tuple[Any, Any]:
        _, entropy, tokens = losses(model, model((source, given), training=False), wanted, 0.0)
        return entropy, tokens

    return step  # type: ignore[no-any-return]
