"""Text to text in one graph: tokenizer, greedy decoding with cached keys and values, detokenizer.

What ``saved_model/`` holds. Shapes: B sentences, S source tokens, T target tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_text

from mt_trainer.model import Transformer
from mt_trainer.tokenizer import BOS, EOS, PAD

_NEVER = -1e9  # a logit


class Translation(tf.Module):  # type: ignore[misc]
    """A network with its tokenizer, as a callable that TensorFlow can save."""

    _model: Transformer

    def __init__(self, model: Transformer, vocabulary: bytes) -> None:
        super().__init__(name="translation")
        # Past TensorFlow's tracking: saved with the layers, every weight would be stored twice.
        object.__setattr__(self, "_model", model)
        self._max_tokens = model.sizes.max_tokens
        self.weights = [variable.value for variable in model.variables]
        self.tokenizer = tensorflow_text.SentencepieceTokenizer(model=vocabulary, out_type=tf.int32)

    @tf.function(  # type: ignore[untyped-decorator]
        autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="text")]
    )
    def translate(self, text: Any) -> dict[str, Any]:
        """Return the translations of ``text`` [B].

        Returns:
            ``text`` [B]; ``tokens`` [B, T] pieces, the end mark included, padded with "";
            ``scores`` [B], the mean log-probability per token; ``attention`` [B, T, S], the mean
            over the last layer's heads.
        """
        count = tf.shape(text)[0]
        text = tf.concat(
            [text, tf.fill([tf.cast(count == 0, tf.int32)], "")], 0
        )  # loops cannot run over nothing
        pieces = self.tokenizer.tokenize(text)
        full = tf.cast(pieces.row_lengths(), tf.int32) > 0
        source = pieces[:, : self._max_tokens - 1]
        source = tf.concat([source, tf.fill([tf.shape(text)[0], 1], EOS)], 1).to_tensor(PAD)
        ids, total, attention = self._greedy(source, ~full)
        lengths = tf.reduce_sum(tf.cast(ids != PAD, tf.int32), 1)
        said = tf.ragged.boolean_mask(ids, (ids != PAD) & (ids != EOS))
        tokens = tf.where(ids == PAD, "", self.tokenizer.id_to_string(ids))
        return {
            "text": self.tokenizer.detokenize(said)[:count],
            "tokens": tokens[:count],
            "scores": (total / tf.cast(tf.maximum(lengths, 1), tf.float32))[:count],
            "attention": attention[:count],
        }

    def _greedy(self, source: Any, done: Any) -> tuple[Any, Any, Any]:
        """Return ids [B, T] (PAD after the end), summed log-probabilities [B], attention [B, T, S].

        Rows that are ``done`` [B] from the beginning get no token at all.
        """
        model, rows = self._model, tf.shape(source)[0]
        hidden, encoded = model.hide_padding(source), model.encode(source)
        memory = [layer.memory(encoded) for layer in model.decoder_layers]
        heads = model.sizes.heads
        empty = tf.zeros([len(memory), 2, rows, heads, 0, model.sizes.dimension // heads])
        state = (
            tf.constant(0),
            done,
            tf.fill([rows, 1], BOS),
            tf.zeros([rows]),
            tf.zeros([rows, 0, tf.shape(source)[1]]),
            empty,
        )

        def goes_on(step: Any, done: Any, *_: Any) -> Any:
            return (step < self._max_tokens) & ~tf.reduce_all(done)

        def one_step(
            step: Any, done: Any, ids: Any, total: Any, attention: Any, cache: Any
        ) -> tuple[Any, ...]:
            states, weights, cache = self._states(ids[:, -1:], step, cache, memory, hidden)
            # No translation is empty: the first token is not the end mark (CTranslate2's
            # min_decoding_length of 1).
            ends_at_once = (
                tf.one_hot(EOS, model.sizes.vocabulary) * tf.cast(step == 0, tf.float32) * _NEVER
            )
            chances = tf.nn.log_softmax(model.logits(states)[:, 0] + ends_at_once)
            best = tf.argmax(chances, -1, tf.int32)
            chosen = tf.where(done, PAD, best)
            total += tf.where(done, 0.0, tf.reduce_max(chances, -1))
            weights = tf.where(done[:, None, None], 0.0, weights)
            ids, attention = (
                tf.concat([ids, chosen[:, None]], 1),
                tf.concat([attention, weights], 1),
            )
            return step + 1, done | (best == EOS), ids, total, attention, cache

        shapes: tuple[list[int | None], ...] = (
            [],
            [None],
            [None, None],
            [None],
            [None] * 3,
            [len(memory), 2, None, heads, None, empty.shape[-1]],
        )
        _, _, ids, total, attention, _ = tf.while_loop(
            goes_on, one_step, state, tuple(map(tf.TensorShape, shapes))
        )
        return ids[:, 1:], total, attention

    def _states(
        self, ids: Any, step: Any, cache: Any, memory: Any, hidden: Any
    ) -> tuple[Any, Any, Any]:
        """Return states [B, 1, D] after one more token, attention [B, 1, S], the grown cache."""
        model, kept = self._model, []
        weights = None
        # A row that is done is fed PAD; what comes of it is thrown away.
        x = model.embed(ids, step)
        for i, layer in enumerate(model.decoder_layers):
            query, key, value = layer.project(x)
            grown = tf.concat([cache[i], tf.stack([key, value])], 3)
            kept.append(grown)
            x, weights = layer.combine(x, (query, grown[0], grown[1]), None, memory[i], hidden)
        return model.decoder_norm(x), tf.reduce_mean(weights, 1), tf.stack(kept)


def save(translation: Translation, folder: Path) -> None:
    """Write the SavedModel to ``folder``.

    Raises:
        OSError: it cannot be written.
    """
    try:
        tf.saved_model.save(
            translation, str(folder), signatures={"serving_default": translation.translate}
        )
    except tf.errors.OpError as error:
        raise OSError(None, error.message, str(folder)) from error
    (folder / "fingerprint.pb").unlink(missing_ok=True)  # a time stamp of sorts, of no use


def load(folder: Path) -> Any:
    """Return a saved model's function: strings [B] in, what ``translate`` returns out."""
    loaded = tf.saved_model.load(str(folder))
    return lambda texts: loaded.translate(tf.constant(texts, tf.string))
