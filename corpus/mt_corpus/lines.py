"""Lines out of blocks of bytes: split at LF alone, of bounded length, decoded one by one."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from mt_contract.errors import DataError
from mt_corpus.packing import DamagedError
from mt_corpus.rows import Broken, Row

MAX_LINE = 1 << 20  # bytes; a longer line is no sentence pair
NUL = "holds NUL bytes, so this is a binary file (or UTF-16), not text in UTF-8"


def numbered(name: str, blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield (number from 1, line without its end); an over-long line is cut over MAX_LINE.

    Raises:
        DataError: the file is damaged or empty; ``name`` says which.
    """
    number = 0
    try:
        for number, line in enumerate(_lines(blocks), 1):
            yield number, line
    except DamagedError as error:
        raise DataError(f"{name}, after line {number}: {error}") from error
    if not number:
        raise DataError(f"{name} is empty: name a file that holds text")


def decoded(number: int, data: bytes) -> str | Broken:
    """Return a line as text, or why it is none."""
    if len(data) > MAX_LINE:
        return Broken(number, f"longer than {MAX_LINE:,} bytes")
    if b"\0" in data:
        return Broken(number, NUL)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        return Broken(number, f"not UTF-8 at byte {error.start}")


def texts(name: str, blocks: Iterable[bytes]) -> Iterator[Row | Broken]:
    """Yield every line as a text, without a target, or as broken.

    Raises:
        DataError: the file is damaged or empty.
    """
    for number, data in numbered(name, blocks):
        text = decoded(number, data)
        yield Row(number, text, "") if isinstance(text, str) else text


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest, mark = b"", codecs.BOM_UTF8
    for block in blocks:
        if mark:
            block, mark = block.removeprefix(mark), b""
        if b"\n" not in block and len(rest) > MAX_LINE:
            continue  # in the middle of an over-long line
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line[:-1] if line.endswith(b"\r") else line
    if rest:
        yield rest.removesuffix(b"\r")
