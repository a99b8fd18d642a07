"""The network: an encoder-decoder Transformer with pre-norm and tied embeddings.

Every detail that a converted model must share is explicit: position table, epsilon, scaling, the
order of query, key and value. Shapes in
comments: B rows, S source tokens, T target tokens, D model dimension, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from mt_contract.resource import Architecture
from mt_trainer.tokenizer import PAD

EPSILON = 1e-5  # of every layer normalisation; Keras' own default differs from the engine's
BLOCKED = -1e9  # added to the attention logits of what may not be seen


@dataclass(frozen=True)
class Sizes:
    """The dimensions of one network."""

    vocabulary: int
    layers: int
    dimension: int
    feed_forward: int
    heads: int
    dropout: float
    max_tokens: int

    @classmethod
    def of(cls, architecture: Architecture, vocabulary: int) -> Sizes:
        """Return the sizes that a recipe asks for."""
        return cls(
            vocabulary=vocabulary,
            layers=architecture.layers,
            dimension=architecture.model_dimension,
            feed_forward=architecture.feed_forward_dimension,
            heads=architecture.heads,
            dropout=float(architecture.dropout),
            max_tokens=architecture.max_tokens,
        )


class Packing(NamedTuple):
    """Where each token of rows that hold several sentences belongs.

    Attributes:
        source_segments: [B, S], which sentence of its row a token is of; each side has its own
            number for padding, and a sentence has that of its translation.
        source_places: [B, S], from 0: where in its sentence it stands.
        target_segments: [B, T], likewise.
        target_places: [B, T], likewise.
    """

    source_segments: Any
    source_places: Any
    target_segments: Any
    target_places: Any


def position_table(length: int, dimension: int) -> np.ndarray:
    """Return the table ``[length, dimension]``: sines in the first half, cosines in the second."""
    rates = 1.0 / 10000 ** (np.arange(dimension // 2) / (dimension / 2))
    angles = np.arange(length)[:, None] * rates[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], 1).astype("float32")


def _dense(
    units: int, fan_in: int, fan_out: int, name: str, activation: str | None = None
) -> layers.Dense:
    """Return a dense layer with Glorot's bounds for one block, also where several are joined."""
    bound = (6 / (fan_in + fan_out)) ** 0.5
    initial = keras.initializers.RandomUniform(-bound, bound)
    layer = layers.Dense(units, activation=activation, kernel_initializer=initial, name=name)
    layer.build((None, None, fan_in))
    return layer


def _norm(dimension: int, name: str) -> layers.LayerNormalization:
    layer = layers.LayerNormalization(epsilon=EPSILON, name=name)
    layer.build((None, None, dimension))
    return layer


class Attention(layers.Layer):  # type: ignore[misc]
    """Multi-head attention in two steps, so that decoding can keep keys and values."""

    def __init__(self, dimension: int, heads: int, joined: int, **options: Any) -> None:
        """Make projections; ``joined`` of them share an input (3: self-, 2: cross-attention)."""
        super().__init__(**options)
        self.heads = heads
        self.key_dimension = dimension // heads
        self.joined = _dense(joined * dimension, dimension, dimension, "joined")
        self.query = _dense(dimension, dimension, dimension, "query") if joined == 2 else None
        self.output_projection = _dense(dimension, dimension, dimension, "output")
        self.built = True

    def split(self, x: Any) -> list[Any]:
        """Return ``x`` [B, S, n·D] as n tensors [B, H, S, D/H]; keys come scaled.

        Keys, not queries: TensorFlow fuses a scaled product and the mask that is added to it into
        one operation, which inside a loop (decode.py) makes the whole graph return nothing. Keys of
        the source are made before the loop.
        """
        batch, length, width = ops.shape(x)
        count = width // (self.heads * self.key_dimension)
        x = ops.reshape(x, (batch, length, count, self.heads, self.key_dimension))
        parts = ops.unstack(ops.transpose(x, (2, 0, 3, 1, 4)), axis=0)
        if count > 1:
            parts[-2] = parts[-2] * self.key_dimension**-0.5
        return list(parts)

    def attend(self, query: Any, key: Any, value: Any, blocked: Any) -> tuple[Any, Any]:
        """Return the output [B, T, D] and the weights [B, H, T, S]."""
        logits = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        if blocked is not None:
            logits += ops.cast(blocked, logits.dtype)
        weights = ops.softmax(logits)
        x = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        batch, length = ops.shape(x)[:2]
        x = ops.reshape(x, (batch, length, self.heads * self.key_dimension))
        return self.output_projection(x), weights


class FeedForward(layers.Layer):  # type: ignore[misc]
    """Two dense layers with a ReLU between."""

    def __init__(self, dimension: int, inner: int, **options: Any) -> None:
        super().__init__(**options)
        self.inner = _dense(inner, dimension, inner, "inner", "relu")
        self.outer = _dense(dimension, inner, dimension, "outer")
        self.built = True

    def call(self, x: Any) -> Any:
        """Return [B, S, D]."""
        return self.outer(self.inner(x))


class EncoderLayer(layers.Layer):  # type: ignore[misc]
    """Self-attention, then feed-forward, each on the normalised input and added to it."""

    def __init__(self, sizes: Sizes, **options: Any) -> None:
        super().__init__(**options)
        self.attention_norm = _norm(sizes.dimension, "attention_norm")
        self.attention = Attention(sizes.dimension, sizes.heads, 3, name="attention")
        self.feed_forward_norm = _norm(sizes.dimension, "feed_forward_norm")
        self.feed_forward = FeedForward(sizes.dimension, sizes.feed_forward, name="feed_forward")
        self.dropout = layers.Dropout(sizes.dropout, name="dropout")
        self.built = True

    def call(self, x: Any, blocked: Any, training: bool = False) -> Any:
        """Return [B, S, D]; ``blocked`` [B, 1, 1 or S, S] hides what is not of the sentence."""
        query, key, value = self.attention.split(self.attention.joined(self.attention_norm(x)))
        x = x + self.dropout(
            self.attention.attend(query, key, value, blocked)[0], training=training
        )
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)), training=training)


class DecoderLayer(layers.Layer):  # type: ignore[misc]
    """Self-attention, attention to the source, feed-forward."""

    def __init__(self, sizes: Sizes, **options: Any) -> None:
        super().__init__(**options)
        self.self_norm = _norm(sizes.dimension, "self_norm")
        self.self_attention = Attention(sizes.dimension, sizes.heads, 3, name="self_attention")
        self.cross_norm = _norm(sizes.dimension, "cross_norm")
        self.cross_attention = Attention(sizes.dimension, sizes.heads, 2, name="cross_attention")
        self.feed_forward_norm = _norm(sizes.dimension, "feed_forward_norm")
        self.feed_forward = FeedForward(sizes.dimension, sizes.feed_forward, name="feed_forward")
        self.dropout = layers.Dropout(sizes.dropout, name="dropout")
        self.built = True

    def memory(self, encoded: Any) -> tuple[Any, Any]:
        """Return keys and values [B, H, S, D/H] of the encoded source."""
        key, value = self.cross_attention.split(self.cross_attention.joined(encoded))
        return key, value

    def project(self, x: Any) -> list[Any]:
        """Return query, key and value of the self-attention for ``x`` [B, T, D]."""
        return self.self_attention.split(self.self_attention.joined(self.self_norm(x)))

    def combine(
        self,
        x: Any,
        own: Sequence[Any],
        blocked: Any,
        memory: tuple[Any, Any],
        hidden: Any,
        training: bool = False,
    ) -> tuple[Any, Any]:
        """Return the output [B, T, D] and the weights [B, H, T, S] given to the source.

        Args:
            x: the layer's input [B, T, D].
            own: query of ``x``, and keys and values of all that it may look back at.
            blocked: added to the logits of the self-attention; None where nothing is hidden.
            memory: keys and values of the source.
            hidden: added to the logits of the attention to the source.
            training: whether to drop out.
        """
        query, key, value = own
        x = x + self.dropout(
            self.self_attention.attend(query, key, value, blocked)[0], training=training
        )
        assert self.cross_attention.query is not None
        (query,) = self.cross_attention.split(self.cross_attention.query(self.cross_norm(x)))
        attended, weights = self.cross_attention.attend(query, *memory, hidden)
        x = x + self.dropout(attended, training=training)
        return x + self.dropout(
            self.feed_forward(self.feed_forward_norm(x)), training=training
        ), weights


class Transformer(keras.Model):  # type: ignore[misc]
    """The whole network; ``call`` gives the decoder's states, ``logits`` judges them."""

    def __init__(self, sizes: Sizes, **options: Any) -> None:
        super().__init__(**options)
        self.sizes = sizes
        self.positions = position_table(sizes.max_tokens, sizes.dimension)
        self.encoder_layers = [
            EncoderLayer(sizes, name=f"encoder_{i}") for i in range(sizes.layers)
        ]
        self.decoder_layers = [
            DecoderLayer(sizes, name=f"decoder_{i}") for i in range(sizes.layers)
        ]
        self.encoder_norm, self.decoder_norm = (
            _norm(sizes.dimension, "encoder_norm"),
            _norm(sizes.dimension, "decoder_norm"),
        )
        self.dropout = layers.Dropout(sizes.dropout, name="embedding_dropout")
        self.embedding = self.add_weight(
            shape=(sizes.vocabulary, sizes.dimension),
            initializer=keras.initializers.RandomNormal(stddev=sizes.dimension**-0.5),
            name="embedding",
        )
        self.built = True

    def embed(self, ids: Any, first: Any = 0, places: Any = None) -> Any:
        """Return scaled embeddings [B, T, D] of ``ids`` [B, T].

        Args:
            ids: of the tokens.
            first: position of the first of each row, whose others follow it.
            places: [B, T], all positions, where they are not in a row.
        """
        x = (
            ops.take(ops.cast(self.embedding, self.compute_dtype), ids, axis=0)
            * self.sizes.dimension**0.5
        )
        table = ops.convert_to_tensor(self.positions)
        if places is None:
            length = ops.shape(ids)[1]
            positions = ops.slice(table, (first, 0), (length, self.sizes.dimension))
        else:
            positions = ops.take(table, places, axis=0)
        return x + ops.cast(positions, x.dtype)

    def hide_padding(self, source: Any) -> Any:
        """Return [B, 1, 1, S], what to add to logits so that padding is not seen."""
        return ops.cast(source == PAD, "float32")[:, None, None, :] * BLOCKED

    def encode(self, source: Any, training: bool = False, packing: Packing | None = None) -> Any:
        """Return the encoded source [B, S, D]."""
        places = packing.source_places if packing else None
        if packing:
            hidden = _apart(packing.source_segments, packing.source_segments)
        else:
            hidden = self.hide_padding(source)
        x = self.dropout(self.embed(source, places=places), training=training)
        for layer in self.encoder_layers:
            x = layer(x, hidden, training=training)
        return self.encoder_norm(x)

    def call(
        self, inputs: tuple[Any, Any], training: bool = False, packing: Packing | None = None
    ) -> Any:
        """Return the decoder's states [B, T, D] for (source [B, S], given target [B, T])."""
        source, given = inputs
        encoded = self.encode(source, training, packing)
        steps = ops.arange(ops.shape(given)[1])
        blocked = ops.cast(steps[:, None] < steps[None, :], "float32") * BLOCKED
        if packing:
            blocked += _apart(packing.target_segments, packing.target_segments)
            hidden = _apart(packing.target_segments, packing.source_segments)
        else:
            hidden = self.hide_padding(source)
        places = packing.target_places if packing else None
        x = self.dropout(self.embed(given, places=places), training=training)
        for layer in self.decoder_layers:
            x, _ = layer.combine(
                x, layer.project(x), blocked, layer.memory(encoded), hidden, training
            )
        return self.decoder_norm(x)

    def logits(self, states: Any) -> Any:
        """Return logits over the vocabulary for states [..., D]."""
        return ops.matmul(states, ops.transpose(ops.cast(self.embedding, states.dtype)))


def _apart(asking: Any, asked: Any) -> Any:
    """Return [B, 1, T, S], what to add to logits so that no segment sees another one."""
    return ops.cast(asking[:, None, :, None] != asked[:, None, None, :], "float32") * BLOCKED


def build(sizes: Sizes, seed: int) -> Transformer:
    """Return a network with fresh weights that follow from the seed."""
    keras.utils.set_random_seed(seed % 2**32)
    return Transformer(sizes, name="transformer")
