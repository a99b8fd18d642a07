"""Bytes out of a file as it is stored: plain, gzip or zstd, told by content, never by name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol, cast

BLOCK = 1 << 20  # bytes unpacked at a time
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # ends the first four bytes of a zstd frame without content


class DamagedError(Exception):
    """What is packed cannot be unpacked: says in what way, and what to do."""


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""


def packing(magic: bytes) -> str | None:
    """Return how content that begins with these four bytes is packed: gzip, zstd or None."""
    if magic[:2] == _GZIP:
        return "gzip"
    return "zstd" if magic == _ZSTD or magic[1:] == _SKIPPABLE else None


def unpacked(stream: BinaryIO, kind: str | None) -> Iterator[bytes]:
    """Yield the content of ``stream`` in blocks of at most ``BLOCK`` bytes.

    Raises:
        DamagedError: it is cut off, damaged, or something else follows it.
    """
    if kind == "gzip":
        return _gzip(stream)
    return _zstd(stream) if kind == "zstd" else _blocks(stream)


def _blocks(stream: Readable) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _gzip(stream: BinaryIO) -> Iterator[bytes]:
    try:
        yield from _blocks(cast("Readable", gzip.GzipFile(fileobj=stream)))
    except EOFError as error:
        raise _cut_off("gzip") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamagedError(f"is damaged gzip ({error}): copy it again") from error


def _zstd(stream: BinaryIO) -> Iterator[bytes]:
    """Unpack by Arrow: the package zstandard takes a file that is cut off for a whole one."""
    import pyarrow as pa

    packed = pa.PythonFile(stream, mode="r")
    try:
        yield from _blocks(pa.CompressedInputStream(packed, "zstd"))
    except OSError as error:
        if error.errno is not None:  # not Arrow's own
            raise
        if "Truncated" in str(error):
            raise _cut_off("zstd") from error
        raise DamagedError(f"is damaged zstd ({error}): copy it again") from error


def _cut_off(kind: str) -> DamagedError:
    return DamagedError(
        f"is {kind} but ends in the middle: it was cut off while copied; copy it again"
    )
