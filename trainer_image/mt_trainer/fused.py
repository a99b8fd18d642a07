"""The network as TensorFlow trains it: what model.py says, in fewer passes over memory.

Tokens are the rows of one matrix, so a dense layer, its bias and its ReLU are one operation. Scale
and offset of a normalisation are multiplied into the layer behind it, those of keys and of dropout
into the layer before it. Weights, normalisation and the sum that runs through the layers are
float32; all products are of ``dtype``. Shapes in comments: B rows, S source tokens, T target
tokens, N tokens of all rows, D model dimension, H heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mt_trainer.model import BLOCKED, EPSILON, Attention, FeedForward, Transformer
from mt_trainer.tokenizer import PAD

_LEVELS = 256  # of the random number that decides about one element: a byte


class Drop:
    """Dropout of one pass: masks follow from a seed, so nothing is to be kept for a resume."""

    def __init__(self, rate: float, seed: Any, uses: int) -> None:
        """Prepare ``uses`` different masks out of ``seed`` [2]; ``rate`` is met within 1/512."""
        self._threshold = max(round(rate * _LEVELS), int(rate > 0))
        self.scale = _LEVELS / (_LEVELS - self._threshold)
        seeds = tf.random.stateless_uniform([uses, 2], seed, None, None, tf.int32)
        self._seeds = iter(tf.unstack(seeds)) if self._threshold else iter(())

    def __call__(self, x: Any) -> Any:
        """Return ``x`` [N, D] with elements dropped; by ``scale`` it was multiplied before."""
        if not self._threshold:
            return x
        shape = [tf.shape(x)[0], x.shape[1]]
        words = [shape[0], (shape[1] + 3) // 4]  # of four bytes
        numbers = tf.random.stateless_uniform(words, next(self._seeds), None, None, tf.uint32)
        numbers = tf.reshape(tf.bitcast(numbers, tf.uint8), [shape[0], -1])[:, : shape[1]]
        return x * tf.cast(numbers >= self._threshold, x.dtype)


def states(model: Transformer, source: Any, given: Any, drop: Drop, dtype: Any) -> Any:
    """Return the decoder's states [B·T, D] in float32 for source [B, S] and given target [B, T]."""
    rows = tf.shape(source)[0]
    hidden = tf.cast(model.hide_padding(source), dtype)
    x = drop(_embed(model, source, drop.scale))
    for layer in model.encoder_layers:
        own = _project(_norm(x), layer.attention, layer.attention_norm, rows, dtype)
        x += _wide(drop(_attend(own, hidden, layer.attention, drop.scale)))
        x += _wide(drop(_feed_forward(x, layer.feed_forward, layer.feed_forward_norm, drop, dtype)))
    encoded = _norm(x)
    steps = tf.range(tf.shape(given)[1])
    later = tf.cast(steps[:, None] < steps[None, :], dtype) * BLOCKED
    x = drop(_embed(model, given, drop.scale))
    for layer in model.decoder_layers:
        own = _project(_norm(x), layer.self_attention, layer.self_norm, rows, dtype)
        x += _wide(drop(_attend(own, later, layer.self_attention, drop.scale)))
        cross = layer.cross_attention
        memory = _project(encoded, cross, model.encoder_norm, rows, dtype)
        query = _dense(_norm(x), cross.query, dtype, layer.cross_norm)
        (query,) = _heads(query, rows, cross)
        x += _wide(drop(_attend([query, *memory], hidden, cross, drop.scale)))
        x += _wide(drop(_feed_forward(x, layer.feed_forward, layer.feed_forward_norm, drop, dtype)))
    norm = model.decoder_norm
    return _norm(x) * norm.gamma.value + norm.beta.value


def masks(model: Transformer) -> int:
    """Return how many masks a pass takes."""
    return 2 + 5 * model.sizes.layers


def _embed(model: Transformer, ids: Any, scale: float) -> Any:
    """Return scaled embeddings [N, D] of ``ids`` [B, T] with their positions."""
    width = model.sizes.dimension
    x = tf.gather(model.embedding.value, ids) * (scale * width**0.5)
    positions = tf.constant(scale * model.positions, tf.float32)[: tf.shape(ids)[1]]
    return tf.reshape(x + positions, [-1, width])


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _norm(x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return ``x`` [N, D] with mean 0 and variance 1 in each row."""
    centred = x - tf.reduce_mean(x, -1, keepdims=True)
    inverse = tf.math.rsqrt(tf.reduce_mean(centred * centred, -1, keepdims=True) + EPSILON)
    y = centred * inverse

    def gradient(dy: Any) -> Any:
        along = tf.reduce_mean(dy * y, -1, keepdims=True)
        return (dy - tf.reduce_mean(dy, -1, keepdims=True) - y * along) * inverse

    return y, gradient


def _dense(
    x: Any, layer: Any, dtype: Any, norm: Any = None, scale: Any = None, relu: bool = False
) -> Any:
    """Return a dense layer's output [N, units] in ``dtype``.

    Args:
        x: input [N, D].
        layer: whose kernel and bias are taken.
        dtype: of the product.
        norm: normalisation before it, whose scale and offset ``x`` still lacks.
        scale: of the output: a number or one for each unit.
        relu: whether negative outputs become 0.
    """
    kernel, bias = layer.kernel.value, layer.bias.value
    if norm is not None:
        bias = bias + tf.linalg.matvec(kernel, norm.beta.value, transpose_a=True)
        kernel = kernel * norm.gamma.value[:, None]
    if scale is not None:
        kernel, bias = kernel * scale, bias * scale
    y = tf.nn.bias_add(tf.cast(x, dtype) @ tf.cast(kernel, dtype), tf.cast(bias, dtype))
    return tf.nn.relu(y) if relu else y


def _project(x: Any, attention: Attention, norm: Any, rows: Any, dtype: Any) -> list[Any]:
    """Return what the joined layer makes of ``x`` [N, D]: ([query,] key, value) [B, H, S, D/H]."""
    width = attention.heads * attention.key_dimension
    scale = np.ones(attention.joined.units, np.float32)
    scale[-2 * width : -width] = attention.key_dimension**-0.5
    return _heads(_dense(x, attention.joined, dtype, norm, scale), rows, attention)


def _heads(x: Any, rows: Any, attention: Attention) -> list[Any]:
    """Return ``x`` [N, n·D] as n tensors [B, H, S, D/H]."""
    count = x.shape[1] // (attention.heads * attention.key_dimension)
    x = tf.reshape(x, [rows, -1, count, attention.heads, attention.key_dimension])
    return tf.unstack(tf.transpose(x, [2, 0, 3, 1, 4]))  # type: ignore[no-any-return]


def _attend(own: Sequence[Any], blocked: Any, attention: Attention, scale: float) -> Any:
    """Return the attention's output [N, D].

    Args:
        own: query [B, H, T, D/H], keys and values [B, H, S, D/H].
        blocked: added to the logits.
        attention: whose output layer is taken.
        scale: of the output.
    """
    query, key, value = own
    weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) + blocked)
    x = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
    x = tf.reshape(x, [-1, attention.heads * attention.key_dimension])
    return _dense(x, attention.output_projection, x.dtype, scale=scale)


def _feed_forward(x: Any, layer: FeedForward, norm: Any, drop: Drop, dtype: Any) -> Any:
    """Return what the feed-forward layers make of ``x`` [N, D]."""
    inner = _dense(_norm(x), layer.inner, dtype, norm, relu=True)
    return _dense(inner, layer.outer, dtype, scale=drop.scale)


def _wide(x: Any) -> Any:
    return tf.cast(x, tf.float32)


def real_tokens(wanted: Any) -> Any:
    """Return where in [B·T] the tokens that count stand."""
    return tf.where(tf.reshape(wanted, [-1]) != PAD)[:, 0]
