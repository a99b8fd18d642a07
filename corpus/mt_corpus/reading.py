"""Rows of parallel text out of a TSV file, plain or gzip: streamed, faults named by line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from mt_contract.errors import ConfigurationError, DataError, StorageError
from mt_corpus.files import File

MAX_LINE = 1 << 20  # bytes; a longer line is no sentence pair
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_OTHER_FORMATS = (".jsonl", ".json", ".parquet", ".zst", ".csv", ".xlsx", ".zip", ".bz2", ".xz")


@dataclass(frozen=True)
class Row:
    """One pair as it stands in the file."""

    line: int
    source: str
    target: str


@dataclass(frozen=True)
class Broken:
    """A line that holds no pair, and why."""

    line: int
    why: str


def check_name(uri: str) -> None:
    """Refuse a file whose name says that it has a format this release does not read.

    Raises:
        ConfigurationError: the name ends like another format's.
    """
    if uri.lower().endswith(_OTHER_FORMATS):
        raise ConfigurationError(
            f"data: {uri} is not read by this release, which reads TSV (source<TAB>target, one "
            "pair a line), "
            "plain or as .gz: convert the file"
        )


def read_rows(file: File) -> Iterator[Row | Broken]:
    """Yield every line of ``file`` as a pair or as broken, in order.

    Raises:
        DataError: the file is missing, empty, binary, or a gzip file that is damaged or ends in the
            middle.
        StorageError: the storage failed while reading.
    """
    line, path = 0, Path(file.location)
    try:
        with _opened(path) as stream:
            for line, data in _lines(stream):
                if b"\0" in data:
                    raise DataError(
                        f"{path}, line {line}: holds NUL bytes, so this is a binary file (or "
                        "UTF-16), not TSV in UTF-8: "
                        "name the right file or convert it"
                    )
                yield _row(line, data)
    except EOFError as error:
        raise DataError(
            f"{path} is gzip but ends in the middle, after line {line}: it was cut off while "
            "copied; copy it again"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path} is damaged gzip after line {line} ({error}): copy it again"
        ) from error
    if not line:
        raise DataError(f"{path} is empty: name a file with one pair a line, source<TAB>target")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open ``path``, decompressing it where its content (not its name) says gzip."""
    try:
        with path.open("rb") as raw:
            magic = raw.read(4)
            raw.seek(0)
            if magic == _ZSTD:
                raise ConfigurationError(
                    f"data: {path} is zstd; this release reads TSV, plain or gzip: recompress it"
                )
            if path.suffix == ".gz" and magic[:2] != _GZIP and magic:
                raise DataError(f"{path} is named .gz but is not gzip: rename or compress it")
            yield cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if magic[:2] == _GZIP else raw
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist: correct the location in spec.data, or copy the file there"
        ) from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise DataError(
            f"{path} is not a file ({error.strerror}): name the TSV file itself"
        ) from error
    except PermissionError as error:
        raise DataError(
            f"{path} may not be read ({error.strerror}): give group or others read permission"
        ) from error
    except gzip.BadGzipFile:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} could not be read ({error.strerror or error}): the storage failed"
        ) from error


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield (number from 1, line without its end); an over-long line is cut over MAX_LINE."""
    number = 0
    while data := stream.readline(MAX_LINE + 2):
        number += 1
        rest = data
        while not rest.endswith(b"\n") and len(rest) == MAX_LINE + 2:
            rest = stream.readline(MAX_LINE + 2)
        yield number, data.removesuffix(b"\n").removesuffix(b"\r")


def _row(line: int, data: bytes) -> Row | Broken:
    if len(data) > MAX_LINE:
        return Broken(line, f"longer than {MAX_LINE:,} bytes")
    try:
        text = data.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        return Broken(line, f"not UTF-8 at byte {error.start}")
    parts = text.split("\t")
    if not text.strip():
        return Row(line, "", "")
    if len(parts) != 2:
        return Broken(line, f"{len(parts)} columns instead of 2 (source<TAB>target)")
    return Row(line, parts[0], parts[1])
