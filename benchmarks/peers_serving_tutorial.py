"""The decoding loop of "Neural machine translation with a Transformer and Keras" on our weights.

Written by us from the tutorial's description: one sentence at a time, and for every next token
source and all tokens so far go through the whole network again, as one exported ``tf.function``; at
the end once more, for the attention that it returns. The network is the trainer's Keras model.
``python -m benchmarks.peers_serving_tutorial MODEL TEXT`` runs in the trainer's environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tensorflow_text

from benchmarks import peers_serving_laps
from mt_trainer import model as network
from mt_trainer import weights
from mt_trainer.checkpoint import metadata
from mt_trainer.tokenizer import BOS, EOS


class Translator(tf.Module):
    """Text of one sentence in, text out."""

    def __init__(self, transformer: network.Transformer, vocabulary: bytes) -> None:
        super().__init__()
        object.__setattr__(self, "transformer", transformer)  # Keras keeps its own account of it
        self.tokenizer = tensorflow_text.SentencepieceTokenizer(model=vocabulary, out_type=tf.int32)

    def logits(self, source: Any, given: Any) -> Any:
        """Return what the network foretells after each of ``given`` [1, T]: [1, T, vocabulary]."""
        return self.transformer.logits(self.transformer((source, given), training=False))

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def translate(self, sentence: Any) -> tuple[Any, Any]:
        """Return the translation, and the logits of another pass over all of it."""
        longest = self.transformer.sizes.max_tokens
        pieces = self.tokenizer.tokenize(sentence)[: longest - 1]
        source = tf.concat([pieces, [EOS]], 0)[None, :]
        said = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
        said = said.write(0, [BOS])
        for step in tf.range(longest - 1):
            given = tf.transpose(said.stack())
            foretold = self.logits(source, given)[:, -1, :]
            following = tf.argmax(foretold, -1, tf.int32)
            said = said.write(step + 1, following)
            if tf.reduce_all(following == EOS):
                break
        ids = tf.transpose(said.stack())
        again = self.logits(source, ids[:, :-1])
        words = tf.boolean_mask(ids, (ids != BOS) & (ids != EOS))
        return self.tokenizer.detokenize(words), again


def load(folder: Path) -> Translator:
    """Return the loop over an artifact's weights."""
    held = (folder / "weights.safetensors").read_bytes()
    sizes = network.Sizes(**json.loads(metadata(held)["architecture"]))
    transformer = network.build(sizes, 0)
    weights.start_from(transformer, weights.read(folder / "weights.safetensors", sizes))
    return Translator(transformer, (folder / "vocabulary.model").read_bytes())


def main(folder: Path, text: Path) -> None:
    """Translate when told to."""
    threads = len(os.sched_getaffinity(0))
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    translator = load(folder)

    def one_pass(texts: Sequence[str], setting: Mapping[str, Any], beam: int) -> Sequence[str]:
        if beam != 1:
            raise ValueError("the tutorial's loop is greedy: ask for a beam of 1")
        found = (translator.translate(tf.constant(one))[0] for one in texts)
        return [text.numpy().decode() for text in found]

    peers_serving_laps.run(text, one_pass)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
