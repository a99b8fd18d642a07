"""A trained network in all the forms in which it is published, loaded again and compared."""

from __future__ import annotations

from pathlib import Path

from mt_contract import artifact, names
from mt_trainer import convert, decode, model, parity, publish, tokenizer, weights
from mt_trainer.config import Job
from mt_trainer.parity import Exports, Parity
from mt_trainer.publish import Trained


def write(job: Job, trained: Trained, folder: Path) -> Parity:
    """Write all files of an artifact but its manifest, and return how the exports compare.

    Raises:
        ParityError: they do not translate alike.
        OSError: a file cannot be written.
    """
    vocabulary = trained.vocabulary
    pieces = tokenizer.pieces(tokenizer.load(vocabulary))
    sizes = model.Sizes.of(job.recipe.training.architecture, len(pieces))
    network = model.build(sizes, job.recipe.training.seed)
    weights.assign(network, trained.weights)
    (folder / artifact.VOCABULARY).write_bytes(vocabulary)
    (folder / artifact.PROFILE).write_bytes(names.canonical(trained.profile))
    weights.write(network, folder / artifact.WEIGHTS, publish.versions())
    convert.save(network, pieces, folder / artifact.CTRANSLATE2)
    decode.save(decode.Translation(network, vocabulary), folder / artifact.SAVED_MODEL)
    return parity.check(Exports.load(network, vocabulary, folder), trained.samples)
