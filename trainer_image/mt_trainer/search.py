"""Greedy and beam search with cached keys and values, as graphs that TensorFlow can save.

Both choose what CTranslate2 chooses with its default options: no translation is empty
(min_decoding_length 1), a hypothesis is scored by its mean log-probability, the end mark counted
(length_penalty 1), and a beam search ends for a sentence once as many hypotheses have ended as the
beam is wide (patience 1). Of each step's 2K best continuations the K best may end; the K best that
do not end go on. A sentence that is done leaves the batch.

Shapes: B sentences, R of them not yet done, K hypotheses of each, S source tokens, T target tokens
so far, V vocabulary, H heads, D model dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
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


class _Line(NamedTuple):
    """What a greedy search goes on with."""

    ids: Any  # [R, 1 + T], start mark first
    total: Any  # [R], sums of log-probabilities
    cache: KeysAndValues


class _Beams(NamedTuple):
    """What a beam search goes on with."""

    ids: Any  # [R, K, 1 + T], start mark first
    totals: Any  # [R, K], sums of log-probabilities
    cache: KeysAndValues  # of R·K rows
    ended: Any  # [R], how many hypotheses came to an end
    best: Found  # of these, ids [R, T] without start mark


class _Advanced(NamedTuple):
    """One step further: the state, which sentences are done [R], and what is known of each."""

    state: Any
    done: Any
    found: Found


class _UnderWay(NamedTuple):
    """A search under way: what is found of all sentences, and the state of those not done."""

    step: Any
    found: Found
    rows: Any  # [R], which sentences these are
    memory: Memory
    state: Any


Advance = Callable[[Any, Memory, Any], _Advanced]  # step, memory, state


def remember(model: Transformer, source: Any) -> Memory:
    """Return what the decoder needs of ``source`` [B, S]."""
    encoded = model.encode(source)
    return Memory(
        [layer.memory(encoded) for layer in model.decoder_layers], model.hide_padding(source)
    )


def greedy(model: Transformer, memory: Memory, empty: Any) -> Found:
    """Return the most probable next token after each other; nothing for rows that are ``empty``."""
    rows = _rows(empty)
    count = tf.shape(rows)[0]
    line = _Line(tf.fill([count, 1], BOS), tf.zeros([count]), _nothing(model, count))
    return _search(model, empty, _each(memory, rows), line, partial(_greedy_step, model))


def beam(model: Transformer, memory: Memory, empty: Any, size: Any) -> Found:
    """Return the best of the hypotheses that end first; nothing for rows that are ``empty``.

    Args:
        model: the network.
        memory: of the source.
        empty: [B], rows that have no source.
        size: K, of which 2K must be below V.
    """
    rows = _rows(empty)
    count = tf.shape(rows)[0]
    # All hypotheses are the same at first: only one of them may have continuations.
    totals = tf.where(tf.range(size) == 0, 0.0, _NEVER)
    beams = _Beams(
        ids=tf.fill([count, size, 1], BOS),
        totals=tf.tile(totals[None, :], [count, 1]),
        cache=_nothing(model, count * size),
        ended=tf.zeros([count], tf.int32),
        best=Found(tf.fill([count, 0], PAD), tf.fill([count], -float("inf"))),
    )
    return _search(
        model, empty, _each(memory, tf.repeat(rows, size)), beams, partial(_beam_step, model)
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


def _search(model: Transformer, empty: Any, memory: Memory, state: Any, advance: Advance) -> Found:
    """Return what is found by advancing ``state`` until every sentence is done."""
    sentences = tf.shape(empty)[0]
    start = _UnderWay(
        step=tf.constant(0),
        found=Found(tf.fill([sentences, 0], PAD), tf.zeros([sentences])),
        rows=_rows(empty),
        memory=memory,
        state=state,
    )

    def goes_on(at: _UnderWay) -> Any:
        return tf.size(at.rows) > 0

    def one_step(at: _UnderWay) -> tuple[_UnderWay]:
        state, done, found = advance(at.step, at.memory, at.state)
        done |= at.step + 1 == model.sizes.max_tokens
        at = at._replace(
            step=at.step + 1, found=at.found._replace(ids=_longer(at.found.ids)), state=state
        )
        return (tf.cond(tf.reduce_any(done), lambda: _let_go(at, done, found), lambda: at),)

    # Of every tensor only the number of dimensions is fixed.
    shapes = tf.nest.map_structure(lambda part: tf.TensorShape([None] * part.shape.rank), start)
    (end,) = tf.while_loop(goes_on, one_step, (start,), (shapes,))
    return Found(*end.found)


def _let_go(at: _UnderWay, done: Any, found: Found) -> _UnderWay:
    """Return ``at`` with what is ``found`` of sentences that are ``done``, and without them."""
    places = tf.boolean_mask(at.rows, done)[:, None]
    kept = [
        tf.tensor_scatter_nd_update(whole, places, tf.boolean_mask(part, done))
        for whole, part in zip(at.found, found, strict=True)
    ]
    rows, memory, state = tf.nest.map_structure(
        partial(_without, done), (at.rows, at.memory, at.state)
    )
    return _UnderWay(at.step, Found(*kept), rows, memory, state)


def _without(done: Any, part: Any) -> Any:
    """Return ``part`` [R, …], or [R·K, …], of what is not done."""
    times = tf.shape(part)[0] // tf.shape(done)[0]
    return tf.boolean_mask(part, tf.repeat(~done, times))


def _greedy_step(model: Transformer, step: Any, memory: Memory, at: _Line) -> _Advanced:
    chances, cache = _chances(model, memory, at.ids[:, -1:], step, at.cache)
    best = tf.argmax(chances, -1, tf.int32)
    ids = tf.concat([at.ids, best[:, None]], 1)
    total = at.total + tf.reduce_max(chances, -1)
    found = Found(ids[:, 1:], total / tf.cast(step + 1, tf.float32))
    return _Advanced(_Line(ids, total, cache), best == EOS, found)


def _beam_step(model: Transformer, step: Any, memory: Memory, at: _Beams) -> _Advanced:
    rows, size = tf.shape(at.ids)[0], tf.shape(at.ids)[1]
    chances, cache = _chances(model, memory, tf.reshape(at.ids[..., -1], [-1, 1]), step, at.cache)
    chances = tf.reshape(chances, [rows, size, -1]) + at.totals[:, :, None]
    totals, places = tf.math.top_k(tf.reshape(chances, [rows, -1]), 2 * size)
    origins, tokens = places // model.sizes.vocabulary, places % model.sizes.vocabulary
    ids = tf.concat([tf.gather(at.ids, origins, batch_dims=1), tokens[:, :, None]], 2)
    ends = (tokens[:, :size] == EOS) | (step + 1 == model.sizes.max_tokens)
    best = _best(at.best, ids[:, :size, 1:], totals[:, :size], ends)
    # top_k of equal values takes the first ones: the best K that do not end.
    kept = tf.math.top_k(tf.cast(tokens != EOS, tf.int32), size).indices
    origins = tf.gather(origins, kept, batch_dims=1) + size * tf.range(rows)[:, None]
    state = _Beams(
        ids=tf.gather(ids, kept, batch_dims=1),
        totals=tf.gather(totals, kept, batch_dims=1),
        cache=_each(cache, tf.reshape(origins, [-1])),
        ended=at.ended + tf.reduce_sum(tf.cast(ends, tf.int32), 1),
        best=best,
    )
    return _Advanced(state, state.ended >= size, best)


def _best(before: Found, ids: Any, totals: Any, ends: Any) -> Found:
    """Return the best of what ended before and what ends now.

    Args:
        before: ids [R, T] and scores [R].
        ids: [R, K, 1 + T], the best continuations.
        totals: [R, K], their sums of log-probabilities.
        ends: [R, K], which of them are at their end.
    """
    means = tf.where(ends, totals / tf.cast(tf.shape(ids)[2], tf.float32), -float("inf"))
    first, highest = tf.argmax(means, 1, tf.int32), tf.reduce_max(means, 1)
    better = highest > before.scores
    now = tf.gather(ids, first, batch_dims=1)
    return Found(
        tf.where(better[:, None], now, _longer(before.ids)),
        tf.where(better, highest, before.scores),
    )


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


def _rows(empty: Any) -> Any:
    """Return which rows are not empty."""
    return tf.where(~empty)[:, 0]


def _each(parts: Any, rows: Any) -> Any:
    """Return of all tensors in ``parts`` the rows that are named, in that order."""
    return tf.nest.map_structure(lambda part: tf.gather(part, rows), parts)


def _longer(ids: Any) -> Any:
    """Return ``ids`` [rows, T] with one more column, of PAD."""
    return tf.pad(ids, [[0, 0], [0, 1]], constant_values=PAD)
