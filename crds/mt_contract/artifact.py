"""The artifact: a run's ``model/`` folder, its manifest (written last), and its verification."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mt_contract.codec import from_json, to_json
from mt_contract.names import canonical

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
VOCABULARY = "vocabulary.model"  # SentencePiece, used by every engine
TARGET_VOCABULARY = "target.model"  # of the target side, where an imported model has one of its own
END = "</s>"  # what ends a sentence
CTRANSLATE2 = "ctranslate2"
SAVED_MODEL = "saved_model"
WEIGHTS = "weights.safetensors"  # float32, by name: what a warm start begins from
PROFILE = "profile.json"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024


class ArtifactError(Exception):
    """Not an artifact that may be served; the message names the file, the fault and the remedy."""


@dataclass(frozen=True)
class FileEntry:
    """One file of the artifact."""

    digest: str
    size_bytes: int  # the manifest's spelling, as in the API


@dataclass(frozen=True)
class Tokens:
    """How an imported model is fed; what is not set is as with a model that was trained here.

    Attributes:
        target_vocabulary: SentencePiece model of the target side; None: one is for both sides.
        end: what the caller appends to the pieces of a source; None: nothing.
        added: how many tokens the engine adds to a source by itself; they count as its length.
    """

    target_vocabulary: str | None = None
    end: str | None = None
    added: int = 0


TRAINED_HERE = Tokens(end=END)


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` holds; its own SHA-256 is the artifact's digest."""

    source_language: str
    target_language: str
    recipe: Mapping[str, Any]
    recipe_digest: str
    dataset_digest: str
    max_tokens: int  # hard limit of the position table, end mark included
    run: str
    parent_run: str | None
    versions: Mapping[str, str]
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION
    parent_digest: str | None = None  # of the artifact that a warm start began from
    tokens: Tokens | None = None  # of an imported model; None: TRAINED_HERE

    @property
    def size_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(entry.size_bytes for entry in self.files.values())


def file_entry(path: Path) -> FileEntry:
    """Return digest and size of one file, read in pieces."""
    sha = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            sha.update(piece)
    return FileEntry("sha256:" + sha.hexdigest(), path.stat().st_size)


def list_files(folder: Path) -> dict[str, Path]:
    """Return every file below ``folder`` but the manifest, by relative path with forward slashes.

    Raises:
        ArtifactError: something is neither a plain file nor a folder (a link could lead out of it).
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ArtifactError(
                f"{path} is not a plain file; an artifact holds no links: train or import it again"
            )
        if path.is_file() and path != folder / MANIFEST:
            found[path.relative_to(folder).as_posix()] = path
    return found


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write the manifest of all files in ``folder``, atomically, and return its digest."""
    files = {name: file_entry(path) for name, path in list_files(folder).items()}
    data = canonical(to_json(replace(manifest, files=files)))
    aside = folder.parent / f".{MANIFEST}.{os.getpid()}"
    with aside.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(folder / MANIFEST)
    return "sha256:" + hashlib.sha256(data).hexdigest()


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """Return the manifest of ``folder`` and its digest, without looking at the other files.

    Raises:
        ArtifactError: there is none, or it is not one that this release reads.
    """
    path = folder / MANIFEST
    try:
        if path.exists() and (path.is_symlink() or not path.is_file()):  # a pipe would never end
            raise ArtifactError(f"{path} is not a plain file: train or import the model again")
        with path.open("rb") as stream:
            data = stream.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror}): a folder without it is no artifact"
        ) from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise ArtifactError(
            f"{path} is larger than {MAX_MANIFEST_BYTES} bytes: not a manifest of ours"
        )
    try:
        document = json.loads(data)
        if document["schemaVersion"] != SCHEMA_VERSION:
            raise ArtifactError(
                f"{path} has schema version {document['schemaVersion']}, this release reads "
                f"{SCHEMA_VERSION}: use a release that reads it, or train again"
            )
        manifest = from_json(Manifest, document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{path} is not a manifest ({error}): train or import the model again"
        ) from error
    return manifest, "sha256:" + hashlib.sha256(data).hexdigest()


def verify(folder: Path, expected_digest: str | None = None) -> Manifest:
    """Return the manifest of ``folder`` once each file is as it says, and no other is there.

    Args:
        folder: the artifact.
        expected_digest: the digest that was evaluated and blessed; None accepts any that is whole.

    Raises:
        ArtifactError: a digest differs, a file is missing or was added, or there is no manifest.
    """
    manifest, found = read_manifest(folder)
    if expected_digest and found != expected_digest:
        raise ArtifactError(
            f"{folder / MANIFEST} has digest {found}, but {expected_digest} was evaluated: "
            "it was changed; restore it or train again"
        )
    present = list_files(folder)
    for name in sorted(manifest.files.keys() ^ present.keys()):
        what = "is missing" if name in manifest.files else "is not in the manifest"
        raise ArtifactError(f"{folder / name} {what}: the artifact was changed; restore it")
    for name, entry in manifest.files.items():
        if present[name].stat().st_size != entry.size_bytes or file_entry(present[name]) != entry:
            raise ArtifactError(
                f"{folder / name} differs from its digest in the manifest: "
                "corrupt; restore it or train again"
            )
    return manifest
