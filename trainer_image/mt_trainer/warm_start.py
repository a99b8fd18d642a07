"""A warm start: the weights and the vocabulary of an earlier run, instead of fresh ones.

The optimizer starts fresh, and the learning rate warms up as the recipe says. A training that was
interrupted goes on from its own checkpoint, not from the parent again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from mt_contract import artifact, names
from mt_contract.artifact import ArtifactError, Manifest
from mt_contract.codec import DecodeError, camel, from_json
from mt_contract.errors import BadArtifactError, ConfigurationError
from mt_contract.resource import Architecture, Recipe
from mt_trainer.checkpoint import Arrays
from mt_trainer.config import Job, Origin
from mt_trainer.train import Keeps

_FREE = ("dropout", "max_tokens")  # of the architecture: they shape no weight
_ADVICE = "train without warmStartFrom, or from a run of this release"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """A verified parent whose weights fit the recipe."""

    folder: Path
    vocabulary: bytes
    architecture: Architecture

    def weights(self, vocabulary_size: int) -> dict[str, np.ndarray]:
        """Return the parent's weights by name.

        Raises:
            BadArtifactError: they are not what the manifest beside them says.
        """
        # Only here, where they are needed: this loads TensorFlow.
        from mt_trainer.model import Sizes
        from mt_trainer.weights import read

        sizes = Sizes.of(self.architecture, vocabulary_size)
        return read(self.folder / artifact.WEIGHTS, sizes)


def origin(folder: Path) -> Origin:
    """Return the artifact in ``folder``, as it is now, as what a training starts from.

    Raises:
        BadArtifactError: it is none.
    """
    try:
        manifest, digest = artifact.read_manifest(folder)
    except ArtifactError as error:
        raise BadArtifactError(f"--start-from: {error}") from error
    return Origin(manifest.run, str(folder.absolute()), digest)


def find(parent: Origin, recipe: Recipe) -> Start:
    """Return the verified parent of a training.

    Raises:
        BadArtifactError: it is not whole, or not the one that was named.
        ConfigurationError: it does not fit the recipe, or holds no weights to start from.
    """
    try:
        folder = Path(names.local_path(parent.uri))
        manifest = artifact.verify(folder, parent.digest)
    except ValueError as error:
        raise ConfigurationError(f"the model to start from: {error}") from error
    except ArtifactError as error:
        raise BadArtifactError(f"the model to start from (run {parent.run}): {error}") from error
    if artifact.WEIGHTS not in manifest.files:
        raise ConfigurationError(
            f"the model of run {parent.run} holds no {artifact.WEIGHTS} to start from (an older "
            f"release made it, or it was imported): {_ADVICE}"
        )
    architecture = _architecture(manifest, parent.run)
    _check(manifest, architecture, recipe)
    return Start(folder, (folder / artifact.VOCABULARY).read_bytes(), architecture)


def weights(job: Job, store: Keeps, vocabulary_size: int) -> Arrays | None:
    """Return the weights that a training begins with; None: fresh ones, or its own checkpoint's.

    Raises:
        ProgramError: as ``find``.
    """
    if not job.parent or store.latest():
        return None
    _log.info("starting from the weights and the vocabulary of run %s", job.parent.run)
    return find(job.parent, job.recipe).weights(vocabulary_size)


def notes(job: Job) -> list[str]:
    """Return what a person should know of how this training starts."""
    wanted = job.recipe.training.warm_start_from
    if job.parent:
        return [
            f"started from the weights and the vocabulary of run {job.parent.run} "
            "(training.vocabulary does not count)"
        ]
    if wanted != "None":
        return [f"training.warmStartFrom is {wanted}, and there was none: trained from the start"]
    return []


def _architecture(manifest: Manifest, run: str) -> Architecture:
    try:
        return from_json(Architecture, manifest.recipe["training"]["architecture"])
    except (DecodeError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"the model of run {run} does not say of what sizes it is ({error}): {_ADVICE}"
        ) from error


def _check(manifest: Manifest, theirs: Architecture, recipe: Recipe) -> None:
    """Refuse a parent of other languages or sizes.

    Raises:
        ConfigurationError: with the field, its value, and the parent's.
    """
    ours = recipe.training.architecture
    shape = (
        (f"training.architecture.{camel(f.name)}", getattr(ours, f.name), getattr(theirs, f.name))
        for f in fields(Architecture)
        if f.name not in _FREE
    )
    languages = (
        ("sourceLanguage", recipe.source_language, manifest.source_language),
        ("targetLanguage", recipe.target_language, manifest.target_language),
    )
    for field, wanted, found in (*languages, *shape):
        if wanted != found:
            raise ConfigurationError(
                f"{field} is {wanted}, but the model to start from (run {manifest.run}) has "
                f"{found}: set it to {found}, or train without warmStartFrom"
            )
