"""Where text is read: paths, claims, web servers, buckets, the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path, PurePosixPath

from mt_contract import names
from mt_contract.errors import ConfigurationError, DataError
from mt_corpus import buckets, disk, web
from mt_corpus.steady import Place, Stamp, Steady

_BUFFER = 4 << 20  # bytes asked for at a time
_ELSEWHERE: dict[str, Callable[[str], Place]] = {
    "http": web.place,
    "https": web.place,
    "hf": web.hub_place,
    "s3": buckets.s3_place,
    "gs": buckets.gs_place,
}
SCHEMES = ("pvc", "file", *_ELSEWHERE)


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
    scheme, separator, _ = uri.partition("://")
    if separator and scheme in _ELSEWHERE:
        return uri
    if separator and scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ConfigurationError(f"data: {uri}: text is read from a path, {known}")
    try:
        return str(base / names.local_path(uri, claim_root))
    except ValueError as error:
        raise ConfigurationError(f"data: {error}") from error


@contextmanager
def opened(uri: str, location: str) -> Iterator[BufferedReader[Steady]]:
    """Open a file as it is stored; failures that may pass are repeated where they came.

    Raises:
        ConfigurationError: the URI is wrong, or credentials are missing.
        DataError: there is no such file.
        StorageError: the place cannot be reached just now, or the file was changed while read.
    """
    steady = Steady(_place(uri, location))
    with BufferedReader(steady, _BUFFER) as stream:
        try:
            yield stream
        except DataError:  # a file that changes seems damaged
            steady.confirm()
            raise
        steady.confirm()


def stamp(uri: str, location: str) -> Stamp:
    """Return size and version of a file without reading it: another content has another stamp.

    Raises:
        ProgramError: as ``opened`` does.
    """
    return Steady(_place(uri, location)).stamp


def suffix(location: str) -> str:
    """Return the end of a file's name in lower case, from its last dot."""
    return PurePosixPath(path_of(location)).suffix.lower()


def path_of(location: str) -> str:
    """Return a location without a URL's query."""
    return location.partition("?")[0] if "://" in location else location


def _place(uri: str, location: str) -> Place:
    scheme, separator, _ = location.partition("://")
    if separator and scheme in _ELSEWHERE:
        return _ELSEWHERE[scheme](location)
    return disk.place(uri, location)
