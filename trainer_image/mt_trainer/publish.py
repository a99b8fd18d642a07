"""The artifact: built aside, checked, its manifest written last, put in place by one rename."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from mt_contract import artifact, names, storage
from mt_contract.artifact import Manifest
from mt_trainer import adam, convert, decode, model, parity, profile, tokenizer
from mt_trainer.config import Job
from mt_trainer.encoded import Encoded

_ASIDE, _OLD = ".model.aside", ".model.old"
_PACKAGES = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-text",
    "keras",
    "ctranslate2",
    "sentencepiece",
)


def versions() -> dict[str, str]:
    """Return the versions of what an artifact is made with."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def build(
    job: Job,
    weights: np.ndarray,
    vocabulary: bytes,
    train: Encoded,
    sentences: Sequence[str],
    dataset_digest: str,
) -> Path:
    """Build and check the artifact beside its place; return the folder.

    Args:
        job: what was asked for.
        weights: all weights as one vector.
        vocabulary: the SentencePiece model.
        train: the text that was learned from.
        sentences: what both exports must translate alike.
        dataset_digest: of the text.

    Raises:
        ParityError: the exports do not translate alike.
        OSError: it cannot be written.
    """
    folder = job.out / _ASIDE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    processor = tokenizer.load(vocabulary)
    sizes = model.Sizes.of(job.recipe.training.architecture, processor.vocab_size())
    network = model.build(sizes, job.recipe.training.seed)
    adam.assign([w.value for w in network.trainable_variables], weights)
    (folder / artifact.VOCABULARY).write_bytes(vocabulary)
    convert.save(network, tokenizer.pieces(processor), folder / artifact.CTRANSLATE2)
    decode.save(decode.Translation(network, vocabulary), folder / artifact.SAVED_MODEL)
    (folder / artifact.PROFILE).write_bytes(names.canonical(profile.profile(train)))
    parity.check(
        network, vocabulary, folder / artifact.SAVED_MODEL, folder / artifact.CTRANSLATE2, sentences
    )
    artifact.write_manifest(
        folder,
        Manifest(
            source_language=job.recipe.source_language,
            target_language=job.recipe.target_language,
            recipe=job.written,
            recipe_digest=job.digest,
            dataset_digest=dataset_digest,
            max_tokens=sizes.max_tokens,
            run=job.run,
            parent_run=job.parent.run if job.parent else None,
            parent_digest=job.parent.digest if job.parent else None,
            versions=versions(),
        ),
    )
    return folder


def publish(folder: Path, out: Path) -> Path:
    """Put a built artifact in place of what stands there, and return the place."""
    place, old = out / names.MODEL_FOLDER, out / _OLD
    for path in folder.rglob("*"):
        storage.sync(path)
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    folder.rename(place)
    storage.sync(out)
    shutil.rmtree(old, ignore_errors=True)
    return place
