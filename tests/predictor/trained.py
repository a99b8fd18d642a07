"""``python -m tests.predictor.trained FOLDER``: an artifact with both networks, of number words.

It is made by the trainer's own code, and in its environment: other versions than the predictor's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tests.trainer import builders

from mt_contract import artifact
from mt_contract.artifact import Manifest
from mt_trainer import convert, decode, model, tokenizer
from mt_trainer.encoded import Batch
from mt_trainer.tokenizer import PAD

MAX_TOKENS = 24  # as of the trainer's builders
_STEPS = 80


def build(folder: Path) -> None:
    """Make an artifact that translates number words in ``folder``."""
    folder.mkdir(parents=True)
    text, vocabulary = builders.text(folder.parent)
    pieces = tokenizer.pieces(tokenizer.load(vocabulary))
    network = model.build(model.Sizes(len(pieces), 1, 32, 64, 2, 0.0, MAX_TOKENS), 1)
    _learn(network, text.batch(np.arange(text.pairs)))
    convert.save(network, pieces, folder / artifact.CTRANSLATE2)
    decode.save(decode.Translation(network, vocabulary), folder / artifact.SAVED_MODEL)
    (folder / artifact.VOCABULARY).write_bytes(vocabulary)
    manifest = Manifest(
        source_language="en",
        target_language="eo",
        recipe={},
        recipe_digest="sha256:00",
        dataset_digest="sha256:11",
        max_tokens=MAX_TOKENS,
        run="trained-1",
        parent_run=None,
        versions={},
    )
    artifact.write_manifest(folder, manifest)


def _learn(network: model.Transformer, batch: Batch) -> None:
    optimizer = keras.optimizers.Adam(0.01)
    counted = tf.constant(batch.wanted != PAD)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            logits = network.logits(network((batch.source, batch.given), training=True))
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch.wanted, logits)
            loss = tf.reduce_mean(tf.boolean_mask(losses, counted))
        found = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(found, network.trainable_variables, strict=True))

    for _ in range(_STEPS):
        step()


if __name__ == "__main__":
    build(Path(sys.argv[1]))
