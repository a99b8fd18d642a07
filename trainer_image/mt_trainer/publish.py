"""The artifact: built aside, checked, its manifest written last, put in place by one rename."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from mt_contract import artifact, names, storage
from mt_contract.artifact import Manifest
from mt_contract.codec import to_json
from mt_trainer.config import Job
from mt_trainer.samples import Samples

EXPORTS = "exports.json"  # in the run's folder: how the exports compare
_ASIDE, _OLD = ".model.aside", ".model.old"
_PACKAGES = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-text",
    "keras",
    "ctranslate2",
    "sentencepiece",
)


@dataclass(frozen=True)
class Trained:
    """All that a training leaves to be published; plain values, so another process can do it.

    Attributes:
        weights: all weights as one vector.
        vocabulary: the SentencePiece model.
        profile: the document of ``profile.json``.
        dataset_digest: of the text.
        samples: what the exports are compared on.
    """

    weights: np.ndarray
    vocabulary: bytes
    profile: Mapping[str, Any]
    dataset_digest: str
    samples: Samples


def versions() -> dict[str, str]:
    """Return the versions of what an artifact is made with."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def build(job: Job, trained: Trained) -> Path:
    """Build and check the artifact beside its place; return the folder.

    Raises:
        ParityError: the exports do not translate alike.
        OSError: it cannot be written.
    """
    # Only here: this loads TensorFlow, which an import does not need.
    from mt_trainer import export

    folder = fresh(job.out)
    found = export.write(job, trained, folder)
    storage.write_aside(job.out / EXPORTS, names.canonical(to_json(found)))
    artifact.write_manifest(folder, _manifest(job, trained))
    return folder


def fresh(out: Path) -> Path:
    """Return an empty folder to build an artifact in, beside its place in ``out``."""
    folder = out / _ASIDE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _manifest(job: Job, trained: Trained) -> Manifest:
    return Manifest(
        source_language=job.recipe.source_language,
        target_language=job.recipe.target_language,
        recipe=job.written,
        recipe_digest=job.digest,
        dataset_digest=trained.dataset_digest,
        max_tokens=job.recipe.training.architecture.max_tokens,
        run=job.run,
        parent_run=job.parent.run if job.parent else None,
        parent_digest=job.parent.digest if job.parent else None,
        versions=versions(),
    )


def reference(uri: str, place: Path) -> dict[str, Any]:
    """Return how a result names the artifact in ``place``; ``uri`` is that of the run's folder."""
    manifest, digest = artifact.read_manifest(place)
    return {
        "uri": f"{uri}/{names.MODEL_FOLDER}",
        "digest": digest,
        "sizeBytes": manifest.size_bytes,
    }


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
