"""Greedy and beam search with cached keys and values, as graphs that TensorFlow can save.

Both choose what CTranslate2 chooses with its default options: no translation is empty
(min_decoding_length 1), a hypothesis is scored by its mean log-probability, the end mark counted
(length_penalty 1), and a beam search ends for a sentence once as many hypotheses have ended as the
beam is wide (patience 1). Of each step's 2K best continuations the K best may end; the K best that
do not end go on.

Shapes: B sentences, K hypotheses of each, S source tokens, T target tokens so far, V vocabulary,
H heads, D model dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from mt_trainer.model import Transformer
from mt_trainer.tokenizer import BOS, EOS, PAD

_NEVER = -1e9  # a logit, or a sum of log-probabilities, that is not chosen
KeysAndValues = Sequence[tuple[Any, Any]]  # of each layer [rows, H, tokens, D/H]


class Found(NamedTuple):
    """What a search found: ids [B, T], PAD after the end, and mean log-probabilities [B]."""

    ids: Any
    scores: Any


class Memory(NamedTuple):
    """What the decoder sees of the source: keys and values, and what hides padding [B, 1, 1, S]."""

    layers: KeysAndValues
    hidden: Any

    def repeated(self, times: Any) -> Memory:
        """Return the same with each row ``times`` times."""
        return Memory(
            [(tf.repeat(key, times, 0), tf.repeat(value, times, 0)) for key, value in self.layers],
            tf.repeat(self.hidden, times, 0),
        )


class _Line(NamedTuple):
    """A greedy search under way; ids come with the start mark."""

    step: Any
    done: Any  # [B]
    ids: Any  # [B, 1 + T]
    total: Any  # [B], sums of log-probabilities
    cache: KeysAndValues


class _Beams(NamedTuple):
    """A beam search under way; ids come with the start mark."""

    step: Any
    ids: Any  # [B, K, 1 + T], hypotheses that go on
    totals: Any  # [B, K], their sums of log-probabilities
    cache: KeysAndValues  # rows B·K
    ended: Any  # [B], how many hypotheses came to an end
    best_ids: Any  # [B, 1 + T], the best of these
    best: Any  # [B], its mean log-probability


def remember(model: Transformer, source: Any) -> Memory:
    """Return what the decoder needs of ``source`` [B, S]."""
    encoded = model.encode(source)
    return Memory(
        [layer.memory(encoded) for layer in model.decoder_layers], model.hide_padding(source)
    )


def greedy(model: Transformer, memory: Memory, empty: Any) -> Found:
    """Return the most probable next token after each other; nothing for rows that are ``empty``."""
    rows = tf.shape(empty)[0]
    start = _Line(
        tf.constant(0), empty, tf.fill([rows, 1], BOS), tf.zeros([rows]), _nothing(model, rows)
    )

    def goes_on(at: _Line) -> Any:
        return (at.step < model.sizes.max_tokens) & ~tf.reduce_all(at.done)

    def one_step(at: _Line) -> tuple[_Line]:
        # A row that is done is fed PAD; what comes of it is thrown away.
        chances, cache = _chances(model, memory, at.ids[:, -1:], at.step, at.cache)
        best = tf.argmax(chances, -1, tf.int32)
        chosen = tf.where(at.done, PAD, best)
        return (
            _Line(
                step=at.step + 1,
                done=at.done | (best == EOS),
                ids=tf.concat([at.ids, chosen[:, None]], 1),
                total=at.total + tf.where(at.done, 0.0, tf.reduce_max(chances, -1)),
                cache=cache,
            ),
        )

    end = _loop(goes_on, one_step, start)
    lengths = tf.reduce_sum(tf.cast(end.ids[:, 1:] != PAD, tf.float32), 1)
    return Found(end.ids[:, 1:], end.total / tf.maximum(lengths, 1.0))


def beam(model: Transformer, memory: Memory, empty: Any, size: Any) -> Found:
    """Return the best of the hypotheses that end first; nothing for rows that are ``empty``.

    Args:
        model: the network.
        memory: of the source.
        empty: [B], rows that have no source.
        size: K, of which 2K must be below V.
    """
    rows, memory = tf.shape(empty)[0], memory.repeated(size)
    start = _Beams(
        step=tf.constant(0),
        ids=tf.fill([rows, size, 1], BOS),
        # All hypotheses are the same at first: only one of them may have continuations.
        totals=tf.tile(tf.where(tf.range(size) == 0, 0.0, _NEVER)[None, :], [rows, 1]),
        cache=_nothing(model, rows * size),
        ended=tf.where(empty, size, 0),
        best_ids=tf.fill([rows, 1], BOS),
        best=tf.where(empty, 0.0, -float("inf")),
    )

    def goes_on(at: _Beams) -> Any:
        return (at.step < model.sizes.max_tokens) & tf.reduce_any(at.ended < size)

    def one_step(at: _Beams) -> tuple[_Beams]:
        last = tf.reshape(at.ids[:, :, -1], [-1, 1])
        chances, cache = _chances(model, memory, last, at.step, at.cache)
        chances = tf.reshape(chances, [rows, size, -1]) + at.totals[:, :, None]
        totals, places = tf.math.top_k(tf.reshape(chances, [rows, -1]), 2 * size)
        origins, tokens = places // model.sizes.vocabulary, places % model.sizes.vocabulary
        ids = tf.concat([tf.gather(at.ids, origins, batch_dims=1), tokens[:, :, None]], 2)
        ended = at.step + 1 == model.sizes.max_tokens
        at = _keep_best(at, ids[:, :size], totals[:, :size], ended | (tokens[:, :size] == EOS))
        # top_k of equal values takes the first ones: the best K that do not end.
        kept = tf.math.top_k(tf.cast(tokens != EOS, tf.int32), size).indices
        origins = tf.gather(origins, kept, batch_dims=1) + size * tf.range(rows)[:, None]
        origins = tf.reshape(origins, [-1])
        return (
            at._replace(
                step=at.step + 1,
                ids=tf.gather(ids, kept, batch_dims=1),
                totals=tf.gather(totals, kept, batch_dims=1),
                cache=[(tf.gather(k, origins), tf.gather(v, origins)) for k, v in cache],
            ),
        )

    end = _loop(goes_on, one_step, start)
    return Found(end.best_ids[:, 1:], end.best)


def _keep_best(at: _Beams, ids: Any, totals: Any, ends: Any) -> _Beams:
    """Return ``at`` with what ended now counted, and the best of it, if it is the best so far.

    Args:
        at: before this step.
        ids: [B, K, 2 + T], the best continuations.
        totals: [B, K], their sums of log-probabilities.
        ends: [B, K], which of them are at their end.
    """
    size = tf.shape(ends)[1]
    ends &= (at.ended < size)[:, None]
    means = tf.where(ends, totals / tf.cast(at.step + 1, tf.float32), -float("inf"))
    first = tf.argmax(means, 1, tf.int32)
    better = tf.reduce_max(means, 1) > at.best
    before = tf.pad(at.best_ids, [[0, 0], [0, 1]], constant_values=PAD)
    return at._replace(
        ended=at.ended + tf.reduce_sum(tf.cast(ends, tf.int32), 1),
        best_ids=tf.where(better[:, None], tf.gather(ids, first, batch_dims=1), before),
        best=tf.where(better, tf.reduce_max(means, 1), at.best),
    )


def attention(model: Transformer, memory: Memory, ids: Any) -> Any:
    """Return how much each of ``ids`` [B, T] looks at each source token [B, T, S].

    It is the mean over the last layer's heads, seen in one pass over the finished translation.
    """
    given = tf.pad(ids, [[0, 0], [1, 0]], constant_values=BOS)[:, :-1]
    steps = tf.range(tf.shape(given)[1])
    blocked = tf.cast(steps[:, None] < steps[None, :], tf.float32) * _NEVER
    x = model.embed(given)
    for layer, seen in zip(model.decoder_layers, memory.layers, strict=True):
        x, weights = layer.combine(x, layer.project(x), blocked, seen, memory.hidden)
    return tf.where((ids != PAD)[:, :, None], tf.reduce_mean(weights, 1), 0.0)


def _chances(
    model: Transformer, memory: Memory, ids: Any, step: Any, cache: KeysAndValues
) -> tuple[Any, KeysAndValues]:
    """Return log-probabilities [rows, V] of what follows one more token ``ids`` [rows, 1]."""
    grown = []
    x = model.embed(ids, step)
    for layer, seen, before in zip(model.decoder_layers, memory.layers, cache, strict=True):
        query, *new = layer.project(x)
        key, value = (tf.concat(pair, 2) for pair in zip(before, new, strict=True))
        grown.append((key, value))
        x, _ = layer.combine(x, (query, key, value), None, seen, memory.hidden)
    ends_at_once = tf.one_hot(EOS, model.sizes.vocabulary) * tf.cast(step == 0, tf.float32) * _NEVER
    return tf.nn.log_softmax(model.logits(model.decoder_norm(x))[:, 0] + ends_at_once), grown


def _nothing(model: Transformer, rows: Any) -> KeysAndValues:
    """Return the keys and values of no tokens."""
    sizes = model.sizes
    empty = tf.zeros([rows, sizes.heads, 0, sizes.dimension // sizes.heads])
    return [(empty, empty)] * sizes.layers


def _loop(goes_on: Any, one_step: Any, start: Any) -> Any:
    """Return the last state of a search; of every tensor only the number of dimensions is fixed."""
    shapes = tf.nest.map_structure(lambda part: tf.TensorShape([None] * part.shape.rank), start)
    (end,) = tf.while_loop(goes_on, one_step, (start,), (shapes,))
    return end
