"""Test sentences out of TSV files (``source<TAB>reference``), plain or gzip.

A row that holds no pair is counted and named; only a file that is broken as such is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt_contract.errors import ConfigurationError, DataError, StorageError

MAX_LINE = 1 << 20  # bytes; a longer line is no sentence pair
_GZIP = b"\x1f\x8b"
_OTHER_FORMATS = (".jsonl", ".json", ".parquet", ".zst", ".csv", ".xlsx", ".zip", ".bz2", ".xz")
_NAMED_ROWS = 20


@dataclass(frozen=True)
class Example:
    """One test sentence."""

    source: str
    reference: str
    slice: str | None


@dataclass(frozen=True)
class ExampleSet:
    """All test sentences."""

    examples: tuple[Example, ...]
    broken: int  # rows that hold no pair
    named: tuple[str, ...]  # the first of them: where, and why
    digests: tuple[str, ...]  # of each file's content


def read(files: Sequence[tuple[str, Path, str | None]], data_format: str = "Auto") -> ExampleSet:
    """Return the sentences of ``files``: (URI for messages, path, slice).

    Raises:
        ConfigurationError: a format that this release does not read.
        DataError: a file is missing, empty, damaged, or holds no pairs.
        StorageError: a file cannot be read just now.
    """
    if data_format not in ("Auto", "TSV"):
        raise ConfigurationError(
            f"data.format {data_format} is not read by this release: convert the data to TSV"
        )
    if not files:
        raise DataError("there is no test data: name it in spec.data.test")
    examples: list[Example] = []
    named: list[str] = []
    broken = 0
    digests: list[str] = []
    for uri, path, name in files:
        rows = list(_rows(uri, _content(uri, path, digests)))
        found = [Example(*row, name) for row in rows if isinstance(row, tuple)]
        bad = [row for row in rows if isinstance(row, str)]
        if len(bad) >= len(rows) / 2:
            raise DataError(
                f"{uri} is not TSV (source<TAB>reference): {len(bad)} of {len(rows)} rows hold no "
                f"pair, the first is {bad[0]}"
            )
        examples += found
        broken += len(bad)
        named += bad
    return ExampleSet(tuple(examples), broken, tuple(named[:_NAMED_ROWS]), tuple(digests))


def _content(uri: str, path: Path, digests: list[str]) -> bytes:
    """Return what ``path`` holds, decompressed, and append the digest of the file."""
    if path.name.lower().endswith(_OTHER_FORMATS):
        raise ConfigurationError(f"{uri}: this release reads TSV, plain or .gz: convert the file")
    try:
        data = path.read_bytes()
        digests.append("sha256:" + hashlib.sha256(data).hexdigest())
        data = gzip.decompress(data) if data[:2] == _GZIP else data
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DataError(
            f"{uri} is not a file at {path} ({error.strerror}): correct spec.data.test, or copy it "
            "there"
        ) from error
    except PermissionError as error:
        raise DataError(f"{uri} may not be read: give group or others read permission") from error
    except EOFError as error:
        raise DataError(f"{uri} is gzip but ends in the middle: copy it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{uri} is damaged gzip ({error}): copy it again") from error
    except OSError as error:
        raise StorageError(f"{uri} could not be read ({error}): the storage failed") from error
    if not data.strip():
        raise DataError(f"{uri} is empty: name a file with one source<TAB>reference a line")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise DataError(
            f"{uri}, line {line}: holds NUL bytes, so it is a binary file or UTF-16, not TSV in "
            "UTF-8: name the right file or convert it"
        )
    return data


def _rows(uri: str, data: bytes) -> Iterator[tuple[str, str] | str]:
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        where = f"{uri} line {number}"
        if len(line) > MAX_LINE:
            yield f"{where}: longer than {MAX_LINE:,} bytes"
            continue
        try:
            columns = line.decode("utf-8-sig" if number == 1 else "utf-8").split("\t")
        except UnicodeDecodeError as error:
            yield f"{where}: not UTF-8 at byte {error.start}"
            continue
        pair = [_normal(column) for column in columns]
        if len(pair) != 2:
            yield f"{where}: {len(pair)} columns instead of 2"
        elif not all(pair):
            yield f"{where}: one side is empty"
        else:
            yield pair[0], pair[1]


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
