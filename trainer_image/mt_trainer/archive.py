"""A model in one file: tar (plain, gzip, zstd) or zip, unpacked with nothing of it believed.

What a header says is held against bounds before it is acted on, so that neither its names nor its
sizes can do harm.
"""

from __future__ import annotations

import logging
import re
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from mt_contract.errors import BadArtifactError
from mt_corpus import steady
from mt_corpus.packing import DamagedError, packing, unpacked
from mt_corpus.steady import Place
from mt_trainer import source_files

_ACCEPTED = "a .tar, .tar.gz, .tar.zst or .zip archive of a model's folder"
_ZIP, _ZIP_END = b"PK\3\4", b"PK\5\6"
_MOST_HEADERS = 1 << 20  # bytes of an archive besides the content of its files
_ZIP_END_AT = 22 + (1 << 16)  # bytes before the end of a zip, at most
_BLOCK = 512  # bytes of a tar, which its files are filled up to
_JUNK = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$)")  # what macOS adds to archives
# What the libraries raise, having read what no program writes.
_DAMAGED = (
    DamagedError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
)
_log = logging.getLogger(__name__)


class _Member(NamedTuple):
    """A file of an archive; without content it is a folder."""

    name: str
    size: int
    content: IO[bytes] | None


def unpack(place: Place, scratch: Path) -> Path:
    """Unpack an archive into ``scratch``, and return the folder of the model there.

    Raises:
        BadArtifactError: it is no archive, damaged, or holds what a model does not: names that lead
            elsewhere, links, too many files, too many bytes.
        ProgramError: it cannot be read, as ``steady.opened`` says.
        OSError: it cannot be written.
    """
    uri = place.uri.partition("?")[0]  # without what a signature lets anybody read it by
    _log.info("fetching %s", uri)
    with steady.opened(place) as opened:
        stream = cast("BinaryIO", opened)
        head = opened.peek(4)[:4]
        try:
            if head == _ZIP:
                with tempfile.TemporaryFile() as whole:
                    whole.writelines(source_files.bounded(stream, source_files.MOST_BYTES, uri))
                    _lay_down(_of_zip(whole, uri), scratch, uri)
            else:
                _lay_down(_of_tar(_Metered(stream, packing(head), uri), uri), scratch, uri)
        except _DAMAGED as error:
            raise BadArtifactError(f"{uri} is not {_ACCEPTED}, or damaged ({error})") from error
    return _root(scratch)


def _root(folder: Path) -> Path:
    """Return the folder that holds more than one thing: most archives have one above it."""
    inside = list(folder.iterdir())
    return _root(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder


def _lay_down(members: Iterator[_Member], folder: Path, uri: str) -> None:
    left, names, seen = source_files.MOST_BYTES, list[str](), 0
    for member in members:
        seen += 1
        name = member.name.removeprefix("./")
        if seen > 2 * source_files.MOST_FILES:
            raise BadArtifactError(f"{uri} holds more files and folders than any model")
        if not 0 <= member.size <= left:
            raise BadArtifactError(
                f"{uri} holds more than {source_files.MOST_BYTES:,} bytes: more than any model has"
            )
        left -= member.size
        if member.content is None or _JUNK.search(name):
            continue
        names.append(name)
        source_files.check_names(names, uri)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = cast("BinaryIO", member.content)
        with path.open("xb") as copy:
            copy.writelines(source_files.bounded(content, member.size, f"{uri}: {name}"))
        if path.stat().st_size != member.size:
            raise BadArtifactError(f"{uri} is damaged: {name} ends in the middle")


def _refused(uri: str, name: str) -> BadArtifactError:
    return BadArtifactError(
        f"{uri} holds {name!r}, which is no plain file or folder (a link, a device), encrypted, or "
        "packed in another way than deflate: pack plain files"
    )


class _Metered:
    """The content of a tar as a stream that no header can make longer than what was agreed to."""

    def __init__(self, stream: BinaryIO, kind: str | None, uri: str) -> None:
        self._blocks = unpacked(stream, kind)
        self._rest = b""
        self._uri = uri
        self._read = 0
        self._filled = 0  # where the last byte ends that is no zero
        self.allowed = _MOST_HEADERS

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end.

        Raises:
            BadArtifactError: more was read than headers and the files that were let in have.
        """
        self._rest = self._rest or next(self._blocks, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        self._read += len(data)
        if self._read > self.allowed:
            raise BadArtifactError(
                f"{self._uri} is damaged, or made to do harm: it holds more than its files"
            )
        if said := len(data.rstrip(b"\0")):
            self._filled = self._read - len(data) + said
        return data

    def finish(self, end: int) -> None:
        """Read on to the end, where a tar is filled up with zeros.

        The library takes a header that is damaged, or missing, for the end.

        Args:
            end: of the last file, in bytes.

        Raises:
            BadArtifactError: something else follows, or nothing.
        """
        while self.read(_MOST_HEADERS):
            pass
        if self._filled > end or self._read < end + _BLOCK:
            raise BadArtifactError(f"{self._uri} is damaged, or ends in the middle: copy it again")


def _of_tar(stream: _Metered, uri: str) -> Iterator[_Member]:
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as whole:
        for one in whole:
            if one.isdir():
                yield _Member(one.name, 0, None)
                continue
            if not one.isreg() or one.issparse():
                raise _refused(uri, one.name)
            # A size beyond the bounds is refused before anything of it is read.
            stream.allowed += min(max(one.size, 0), source_files.MOST_BYTES) + _BLOCK
            yield _Member(one.name, one.size, whole.extractfile(one))
        stream.finish(whole.offset)


def _of_zip(file: IO[bytes], uri: str) -> Iterator[_Member]:
    _check_directory(file, uri)
    with zipfile.ZipFile(file) as whole:
        for one in whole.infolist():
            if one.is_dir():
                yield _Member(one.filename, 0, None)
                continue
            mode = one.external_attr >> 16
            packed = one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            if (stat.S_IFMT(mode) and not stat.S_ISREG(mode)) or one.flag_bits & 1 or packed:
                raise _refused(uri, one.filename)
            if one.header_offset < 0:
                raise zipfile.BadZipFile("a file begins before the archive does")
            with whole.open(one) as content:
                yield _Member(one.filename, one.file_size, content)


def _check_directory(file: IO[bytes], uri: str) -> None:
    """Refuse a list of files too long for any model: the library reads all of it at once."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _ZIP_END_AT))
    end = file.read()
    at = end.rfind(_ZIP_END)
    if at < 0 or len(end) < at + 22:
        raise BadArtifactError(f"{uri} is damaged: it is a zip that ends in the middle")
    if struct.unpack_from("<I", end, at + 12)[0] > _MOST_HEADERS:
        raise BadArtifactError(f"{uri} holds more files than any model has")
