"""Where text is read: paths, claims, web servers, buckets, the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BufferedReader
from pathlib import Path, PurePosixPath

from mt_contract import names
from mt_contract.errors import ConfigurationError
from mt_corpus import buckets, disk, hub, steady, web
from mt_corpus.purpose import Purpose
from mt_corpus.steady import Folder, Place, Stamp, Steady

_ELSEWHERE: dict[str, Callable[[str], Place]] = {
    "http": web.place,
    "https": web.place,
    "hf": hub.place,
    "s3": buckets.place,
    "gs": buckets.place,
}
SCHEMES = ("pvc", "file", *_ELSEWHERE)
_FOLDERS: dict[str, Callable[[str, Purpose], Folder]] = {
    "hf": hub.folder,
    "s3": buckets.folder,
    "gs": buckets.folder,
}


def locate(
    uri: str, base: Path = Path(), claim_root: str | PurePosixPath = names.CLAIM_ROOT
) -> str:
    """Return where a URI is opened: a path, or the URI itself where it is elsewhere.

    Args:
        uri: as the recipe names the file; without a scheme a path.
        base: what relative paths are relative to.
        claim_root: where claims are mounted.

    Raises:
        ConfigurationError: there is no such scheme, or the path climbs out of its claim.
    """
    if is_elsewhere(uri):
        return uri
    scheme, separator, _ = uri.partition("://")
    if separator and scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ConfigurationError(f"data: {uri}: text is read from a path, {known}")
    try:
        return str(base / names.local_path(uri, claim_root))
    except ValueError as error:
        raise ConfigurationError(f"data: {error}") from error


def opened(uri: str, location: str) -> AbstractContextManager[BufferedReader[Steady]]:
    """Open a file as it is stored; failures that may pass are repeated where they came.

    Raises:
        ConfigurationError: the URI is wrong, or credentials are missing.
        DataError: there is no such file.
        StorageError: the place cannot be reached just now, or the file was changed while read.
    """
    return steady.opened(_place(uri, location))


def stamp(uri: str, location: str) -> Stamp:
    """Return size and version of a file without reading it: another content has another stamp.

    Raises:
        ProgramError: as ``opened`` does.
    """
    return Steady(_place(uri, location)).stamp


def is_elsewhere(uri: str) -> bool:
    """Return whether a URI names a place that is neither a path nor a claim."""
    scheme, separator, _ = uri.partition("://")
    return bool(separator) and scheme in _ELSEWHERE


def folder(uri: str, purpose: Purpose) -> Folder | None:
    """Return a folder elsewhere; None where the place has no folders, but single files only.

    Raises:
        ConfigurationError: the URI is wrong; of the Hub also: there is no such repository.
        StorageError: the Hub cannot be reached just now.
    """
    find = _FOLDERS.get(uri.partition("://")[0])
    return find(uri, purpose) if find else None


def suffix(location: str) -> str:
    """Return the end of a file's name in lower case, from its last dot."""
    return PurePosixPath(path_of(location)).suffix.lower()


def path_of(location: str) -> str:
    """Return a location without a URL's query."""
    return location.partition("?")[0] if "://" in location else location


def _place(uri: str, location: str) -> Place:
    if is_elsewhere(location):
        return _ELSEWHERE[location.partition("://")[0]](location)
    return disk.place(uri, location)
