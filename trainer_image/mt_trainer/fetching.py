"""A model in a bucket, on the Hub or behind a URL, brought into a folder of this machine.

Only what an import needs is asked for: what the manifest of an artifact names, or the files of a
CTranslate2 model. From there on nothing differs from an import of a folder.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from mt_contract import artifact, names
from mt_contract.artifact import ArtifactError
from mt_contract.errors import BadArtifactError, ConfigurationError, StorageError
from mt_contract.resource import Import
from mt_corpus import places, steady, web
from mt_corpus.purpose import MODEL
from mt_corpus.steady import Folder
from mt_trainer import archive, source_files

_log = logging.getLogger(__name__)


def fetch(origin: Import, languages: tuple[str, str], scratch: Path) -> Path:
    """Bring a model into ``scratch``, which is empty, and return its folder there.

    Raises:
        BadArtifactError: files are missing, have names that lead elsewhere, or are too large.
        ConfigurationError: the URI is wrong, nothing is there, or it may not be read.
        StorageError: it cannot be reached just now, was changed meanwhile, or there is no room.
    """
    folder = places.folder(origin.uri, MODEL)
    with _making_room(scratch):
        if folder is None:
            return archive.unpack(web.place(origin.uri, MODEL), scratch)
        _log.info("fetching %s", origin.uri)
        _fetch_folder(folder, origin, languages, scratch)
    return scratch


def a_runs_folder(uri: str) -> ConfigurationError:
    """Return what to say to someone who named the folder above an artifact."""
    return ConfigurationError(
        f"import.uri: {uri} is a run's folder: name its {names.MODEL_FOLDER}/"
    )


def _fetch_folder(
    folder: Folder, origin: Import, languages: tuple[str, str], scratch: Path
) -> None:
    there = folder.sizes("")
    if artifact.MANIFEST in there:
        _fetch(folder, {artifact.MANIFEST: artifact.MAX_MANIFEST_BYTES}, scratch)
        manifest, digest = _manifest(scratch)
        if origin.digest in (None, digest):  # else it is refused before the rest is asked for
            wanted = {name: entry.size_bytes for name, entry in manifest.files.items()}
            source_files.check_names((*wanted, artifact.MANIFEST), origin.uri)
            _check_sizes(wanted, wanted, origin.uri)
            _fetch(folder, wanted, scratch)
        return
    if artifact.MANIFEST in folder.sizes(names.MODEL_FOLDER):
        raise a_runs_folder(origin.uri)
    engine = folder.sizes(artifact.CTRANSLATE2)
    all_there = dict(there) | {f"{artifact.CTRANSLATE2}/{name}": engine[name] for name in engine}
    if not all_there:
        raise ConfigurationError(f"{origin.uri} does not exist, or holds nothing: {MODEL.remedy}")
    found = source_files.find(all_there, languages, origin.uri).values()
    source_files.check_names(found, origin.uri)
    bounds = {name: source_files.most(name) for name in found}
    _check_sizes({name: all_there[name] or 0 for name in found}, bounds, origin.uri)
    _fetch(folder, bounds, scratch)


def _manifest(scratch: Path) -> tuple[artifact.Manifest, str]:
    try:
        return artifact.read_manifest(scratch)
    except ArtifactError as error:
        raise BadArtifactError(str(error)) from error


def _check_sizes(sizes: Mapping[str, int], bounds: Mapping[str, int], uri: str) -> None:
    """Refuse, before anything large is asked for, what is larger than any model."""
    for name, size in sizes.items():
        if not 0 <= size <= bounds[name]:
            raise BadArtifactError(f"{uri}/{name} is larger than any file of its kind")
    if sum(sizes.values()) > source_files.MOST_BYTES:
        raise BadArtifactError(
            f"{uri} has {sum(sizes.values()):,} bytes: more than {source_files.MOST_BYTES:,} are "
            "not imported"
        )


def _fetch(folder: Folder, bounds: Mapping[str, int], scratch: Path) -> None:
    """Bring files, each of as many bytes at most."""
    left = source_files.MOST_BYTES
    for name, bound in bounds.items():
        place, path = folder.place(name), scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with steady.opened(place) as stream, path.open("xb") as copy:
            content = cast("BinaryIO", stream)
            copy.writelines(source_files.bounded(content, min(bound, left), place.uri))
            left -= copy.tell()
        _log.info("%s: %d bytes", name, path.stat().st_size)


@contextmanager
def _making_room(scratch: Path) -> Iterator[None]:
    """Tell apart what goes wrong while writing here; what reading means is known by then."""
    try:
        yield
    except OSError as error:
        advice = "make more room there" if error.errno == errno.ENOSPC else "try again"
        raise StorageError(
            f"the model could not be laid down in {scratch.parent} "
            f"({error.strerror or error}): {advice}"
        ) from error
