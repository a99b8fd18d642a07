"""Text to text in one graph: tokenizer, search (search.py), detokenizer.

What ``saved_model/`` holds. Shapes: B sentences, S source tokens, T target tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_text

from mt_trainer import search
from mt_trainer.model import Transformer
from mt_trainer.search import Found, Memory
from mt_trainer.tokenizer import EOS, PAD

_TEXT = tf.TensorSpec([None], tf.string, name="text")
_BEAM_SIZE = tf.TensorSpec([], tf.int32, name="beam_size")
Search = Callable[[Memory, Any], Found]  # memory, rows [B] that are empty


class Translation(tf.Module):  # type: ignore[misc]
    """A network with its tokenizer, as callables that TensorFlow can save."""

    _model: Transformer

    def __init__(self, model: Transformer, vocabulary: bytes) -> None:
        super().__init__(name="translation")
        # Past TensorFlow's tracking: saved with the layers, every weight would be stored twice.
        object.__setattr__(self, "_model", model)
        self.weights = [variable.value for variable in model.variables]
        self.tokenizer = tensorflow_text.SentencepieceTokenizer(model=vocabulary, out_type=tf.int32)

    @tf.function(autograph=False, input_signature=[_TEXT])  # type: ignore[untyped-decorator]
    def translate(self, text: Any) -> dict[str, Any]:
        """Return the greedy translations of ``text`` [B].

        Returns:
            ``text`` [B]; ``tokens`` [B, T] pieces, the end mark included, padded with "";
            ``scores`` [B], the mean log-probability per token; ``attention`` [B, T, S], the mean
            over the last layer's heads.
        """
        return self._translate(
            text, lambda memory, empty: search.greedy(self._model, memory, empty)
        )

    @tf.function(  # type: ignore[untyped-decorator]
        autograph=False, input_signature=[_TEXT, _BEAM_SIZE]
    )
    def translate_beam(self, text: Any, beam_size: Any) -> dict[str, Any]:
        """Return the same with a beam search of ``beam_size`` hypotheses."""
        most = self._model.sizes.vocabulary // 2
        possible = tf.debugging.Assert(
            (beam_size >= 1) & (beam_size < most),
            ["beam_size must be from 1 to less than half of the vocabulary, not", beam_size],
        )
        with tf.control_dependencies([possible]):
            beam_size = tf.identity(beam_size)
        return self._translate(
            text, lambda memory, empty: search.beam(self._model, memory, empty, beam_size)
        )

    def _translate(self, text: Any, find: Search) -> dict[str, Any]:
        count = tf.shape(text)[0]
        # Loops cannot run over nothing.
        text = tf.concat([text, tf.fill([tf.cast(count == 0, tf.int32)], "")], 0)
        source, empty = self._encode(text)
        memory = search.remember(self._model, source)
        ids, scores = find(memory, empty)
        said = tf.ragged.boolean_mask(ids, (ids != PAD) & (ids != EOS))
        found = {
            "text": self.tokenizer.detokenize(said),
            "tokens": tf.where(ids == PAD, "", self.tokenizer.id_to_string(ids)),
            "scores": scores,
            "attention": search.attention(self._model, memory, ids),
        }
        return {name: value[:count] for name, value in found.items()}

    def _encode(self, text: Any) -> tuple[Any, Any]:
        """Return ids [B, S], each row cut to what the network reads, and which rows are empty."""
        pieces = self.tokenizer.tokenize(text)
        source = pieces[:, : self._model.sizes.max_tokens - 1]
        source = tf.concat([source, tf.fill([tf.shape(text)[0], 1], EOS)], 1).to_tensor(PAD)
        return source, pieces.row_lengths() == 0


def save(translation: Translation, folder: Path) -> None:
    """Write the SavedModel to ``folder``.

    Raises:
        OSError: it cannot be written.
    """
    signatures = {
        "serving_default": translation.translate,
        "serving_beam": translation.translate_beam,
    }
    try:
        tf.saved_model.save(translation, str(folder), signatures=signatures)
    except tf.errors.OpError as error:
        raise OSError(None, error.message, str(folder)) from error
    (folder / "fingerprint.pb").unlink(missing_ok=True)  # a time stamp of sorts, of no use


def load(folder: Path) -> Callable[..., dict[str, Any]]:
    """Return a saved model's function: strings [B] and a beam size in, translations out."""
    loaded = tf.saved_model.load(str(folder))

    def translate(texts: list[str], beam_size: int = 1) -> dict[str, Any]:
        text = tf.constant(texts, tf.string)
        found = (
            loaded.translate(text)
            if beam_size == 1
            else loaded.translate_beam(text, tf.constant(beam_size))
        )
        return dict(found)

    return translate
