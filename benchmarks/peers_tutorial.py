"""The public TensorFlow tutorial "Neural machine translation with a Transformer and Keras".

Written by us from its description: post-norm layers of Keras' own attention, an embedding for each
language and an output layer of its own, batches of 64 shuffled pairs padded to their longest, cut
at 128 tokens, Adam with its schedule, a masked loss and accuracy, ``Model.fit``. Shapes in
comments: B rows, S source tokens, T target tokens, D model dimension.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.peers_laps import Laps

MAX_TOKENS, BUFFER, ROWS = 128, 20_000, 64
LAYERS, DIMENSION, FEED_FORWARD, HEADS, DROPOUT = 4, 128, 512, 8, 0.1
PAD, BOS, EOS = 0, 2, 3


class Positions(layers.Layer):
    """Scaled embeddings with sines and cosines added."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = layers.Embedding(vocabulary, DIMENSION, mask_zero=True)
        rates = 1 / 10000 ** (np.arange(DIMENSION // 2) / (DIMENSION // 2))
        angles = np.arange(2048)[:, None] * rates[None, :]
        self.table = tf.constant(np.concatenate([np.sin(angles), np.cos(angles)], 1), tf.float32)

    def compute_mask(self, inputs: Any, previous: Any = None) -> Any:
        """Return where tokens are real."""
        return self.embedding.compute_mask(inputs)

    def call(self, x: Any) -> Any:
        """Return [B, S, D]."""
        embedded = self.embedding(x) * tf.math.sqrt(tf.cast(DIMENSION, tf.float32))
        return embedded + self.table[None, : tf.shape(x)[1], :]


class Attend(layers.Layer):
    """Attention, added to its input and normalised."""

    def __init__(self, key_dimension: int, causal: bool = False) -> None:
        super().__init__()
        self.attention = layers.MultiHeadAttention(HEADS, key_dimension, dropout=DROPOUT)
        self.norm, self.add, self.causal = layers.LayerNormalization(), layers.Add(), causal
        self.supports_masking = True

    def call(self, x: Any, context: Any = None) -> Any:
        """Return [B, T, D]; without ``context`` ``x`` attends to itself."""
        seen = x if context is None else context
        attended = self.attention(query=x, value=seen, key=seen, use_causal_mask=self.causal)
        return self.norm(self.add([x, attended]))


class FeedForward(layers.Layer):
    """Two dense layers, added to their input and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.Sequential(
            [
                layers.Dense(FEED_FORWARD, activation="relu"),
                layers.Dense(DIMENSION),
                layers.Dropout(DROPOUT),
            ]
        )
        self.add, self.norm = layers.Add(), layers.LayerNormalization()
        self.supports_masking = True

    def call(self, x: Any) -> Any:
        """Return [B, T, D]."""
        return self.norm(self.add([x, self.inner(x)]))


class Tutorial(keras.Model):
    """The whole network: (source [B, S], target [B, T]) to logits [B, T, vocabulary]."""

    def __init__(self, vocabulary: int, key_dimension: int) -> None:
        super().__init__()
        self.source, self.target = Positions(vocabulary), Positions(vocabulary)
        self.source_dropout, self.target_dropout = layers.Dropout(DROPOUT), layers.Dropout(DROPOUT)
        self.encoder = [(Attend(key_dimension), FeedForward()) for _ in range(LAYERS)]
        self.decoder = [
            (Attend(key_dimension, causal=True), Attend(key_dimension), FeedForward())
            for _ in range(LAYERS)
        ]
        self.last = layers.Dense(vocabulary)

    def call(self, inputs: Any) -> Any:
        """Return the logits."""
        source, target = inputs
        encoded = self.source_dropout(self.source(source))
        for attend, feed in self.encoder:
            encoded = feed(attend(encoded))
        x = self.target_dropout(self.target(target))
        for own, cross, feed in self.decoder:
            x = feed(cross(own(x), encoded))
        logits = self.last(x)
        if hasattr(logits, "_keras_mask"):  # the loss has a mask of its own
            del logits._keras_mask
        return logits


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The rate of "Attention is all you need", with 4,000 steps of warm-up."""

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step."""
        step = tf.cast(step, tf.float32)
        return DIMENSION**-0.5 * tf.minimum(tf.math.rsqrt(step), step * 4000**-1.5)


def masked_loss(label: Any, logits: Any) -> Any:
    """Return the cross-entropy per real token."""
    mask = label != PAD
    measure = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    loss = measure(label, logits)
    mask = tf.cast(mask, loss.dtype)
    return tf.reduce_sum(loss * mask) / tf.reduce_sum(mask)


def masked_accuracy(label: Any, logits: Any) -> Any:
    """Return the share of real tokens that are foretold."""
    label = tf.cast(label, tf.int64)
    mask = label != PAD
    match = (label == tf.argmax(logits, axis=2)) & mask
    return tf.reduce_sum(tf.cast(match, tf.float32)) / tf.reduce_sum(tf.cast(mask, tf.float32))


def dataset(tokens: Any, lengths: Any) -> tf.data.Dataset:
    """Return batches without end: ((source, given), wanted); the pairs are tokenised already."""
    both = tf.RaggedTensor.from_row_lengths(tf.constant(tokens, tf.int64), lengths.reshape(-1))
    sides = [both[0::2], both[1::2]]

    def marked(ragged: Any) -> Any:
        ends = [tf.fill([ragged.nrows(), 1], tf.constant(mark, tf.int64)) for mark in (BOS, EOS)]
        return tf.concat([ends[0], ragged, ends[1]], 1)

    def prepared(source: Any, target: Any) -> Any:
        source = marked(source)[:, :MAX_TOKENS].to_tensor()
        target = marked(target)[:, : MAX_TOKENS + 1]
        return (source, target[:, :-1].to_tensor()), target[:, 1:].to_tensor()

    pairs = tf.data.Dataset.from_tensor_slices(tuple(sides)).repeat()
    batches = pairs.shuffle(BUFFER).batch(ROWS).map(prepared, tf.data.AUTOTUNE)
    return batches.prefetch(buffer_size=tf.data.AUTOTUNE)


class Counted(keras.callbacks.Callback):
    """Tells the clock of every step; what a batch holds is known on average."""

    def __init__(self, laps: Laps, tokens: float) -> None:
        super().__init__()
        self._laps, self._tokens = laps, tokens

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count it."""
        self._laps.step(self._tokens)


def main(folder: Path, threads: int, key_dimension: int) -> None:
    """Train until the clock ends the process."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    laps = Laps()
    found = np.load(folder / "tokens.npz")
    vocabulary = len((folder / "pieces.txt").read_text(encoding="utf-8").splitlines())
    model = Tutorial(vocabulary, key_dimension)
    adam = keras.optimizers.Adam(Schedule(), beta_1=0.9, beta_2=0.98, epsilon=1e-9)
    model.compile(loss=masked_loss, optimizer=adam, metrics=[masked_accuracy])
    targets = found["lengths"][:, 1] + 1
    batches = dataset(found["tokens"], found["lengths"])
    counted = Counted(laps, ROWS * float(np.minimum(targets, MAX_TOKENS).mean()))
    model.fit(batches, steps_per_epoch=10**9, callbacks=[counted], verbose=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
