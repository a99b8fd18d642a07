"""Cross-entropy over a vocabulary, some tokens at a time.

All logits of a batch at once would be its largest array by far. A few tokens' logits stay in the
cache, and are done with before the next are made: their gradient is taken at once. With smoothing ε
the target is 1 - ε on the wanted token and ε spread evenly, so for states s, embeddings E and the
wanted token w the objective is the sum of log Σ exp(s·E) - (1 - ε) s·E[w] - ε s·mean(E). The
cross-entropy that is reported is the plain one. In bfloat16 a probability is off by up to 0.4 %,
upwards as often as downwards. Shapes: N tokens, V pieces, D model dimension.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_TINY = 1e-37  # the least probability that a float32 tells from none


def entropy(states: Any, embedding: Any, wanted: Any, chunk: int) -> Any:
    """Return the cross-entropy, summed over tokens, of ``wanted`` [N] given ``states`` [N, D]."""

    def add(first: Any, total: Any) -> tuple[Any, Any]:
        own, ids = states[first : first + chunk], wanted[first : first + chunk]
        return first + chunk, total + _entropy(_chances(own, embedding), ids)

    return _over(states, chunk, add, (tf.constant(0.0),))[0]


def gradients(
    states: Any, embedding: Any, wanted: Any, smoothing: float, chunk: int, dtype: Any
) -> tuple[Any, Any, Any]:
    """Return the cross-entropy and the gradients of the objective, all summed over tokens.

    Args:
        states: [N, D], float32.
        embedding: [V, D], float32.
        wanted: ids [N].
        smoothing: share of the target that is spread over all pieces.
        chunk: most tokens at a time.
        dtype: of the products and of the softmax.

    Returns:
        cross-entropy, gradient [N, D] of the states, gradient [V, D] of the embedding.
    """
    low = tf.cast(embedding, dtype)

    def add(first: Any, total: Any, of_embedding: Any, parts: Any) -> tuple[Any, ...]:
        own, ids = tf.cast(states[first : first + chunk], dtype), wanted[first : first + chunk]
        chances = _chances(own, low)
        total += _entropy(chances, ids)
        part = tf.cast(tf.matmul(chances, low), tf.float32)
        grown = tf.matmul(chances, own, transpose_a=True)
        of_embedding += tf.cast(grown, tf.float32)
        return first + chunk, total, of_embedding, parts.write(first // chunk, part)

    parts = tf.TensorArray(
        tf.float32, 0, dynamic_size=True, infer_shape=False, element_shape=[None, states.shape[1]]
    )
    begin = (tf.constant(0.0), tf.zeros_like(embedding), parts)
    total, of_embedding, parts = _over(states, chunk, add, begin)
    size = tf.shape(embedding)[0]
    even = smoothing / tf.cast(size, tf.float32)
    of_states = parts.concat() - (1 - smoothing) * tf.gather(embedding, wanted)
    of_states -= even * tf.reduce_sum(embedding, 0)
    of_embedding -= (1 - smoothing) * tf.math.unsorted_segment_sum(states, wanted, size)
    of_embedding -= even * tf.reduce_sum(states, 0)
    return total, of_states, of_embedding


def _chances(states: Any, embedding: Any) -> Any:
    """Return the probabilities [n, V], of the type of ``states`` and ``embedding``."""
    return tf.nn.softmax(tf.matmul(states, embedding, transpose_b=True))


def _entropy(chances: Any, wanted: Any) -> Any:
    found = tf.cast(tf.gather(chances, wanted, batch_dims=1), tf.float32)
    return -tf.reduce_sum(tf.math.log(tf.maximum(found, _TINY)))


def _over(states: Any, chunk: int, add: Any, begin: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what ``add`` makes of ``begin``, called with the first token of every chunk."""
    count = tf.shape(states)[0]
    _, *found = tf.while_loop(
        lambda first, *_: first < count, add, (tf.constant(0), *begin), parallel_iterations=1
    )
    return tuple(found)
