"""Rows of parallel text out of any file that a recipe may name: streamed, faults named by line.

::

    place ─▶ bytes as stored ─▶ unpacked ─▶ lines ─▶ TSV, JSONL, Parallel ─▶ Row | Broken
             (places)           (packing) └────────▶ Parquet ─────────────┘

Texts without translations (``read_texts``) take the same way; there a line may be just a text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, cast

from mt_contract.errors import ConfigurationError, DataError, StorageError
from mt_corpus import jsonl, lines, parallel, parquet, places, sniff, tsv
from mt_corpus.files import File
from mt_corpus.packing import DamagedError, packing, unpacked
from mt_corpus.rows import Broken, Row

_OTHER_FORMATS = (".csv", ".xlsx", ".zip", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".tmx", ".arrow")


@dataclass(frozen=True)
class _Content:
    """What a file holds, unpacked.

    Attributes:
        head: the first block.
        blocks: all of them, the first one too.
        stored: the file as it is stored, where that can be read in any order and is not packed.
    """

    head: bytes
    blocks: Iterator[bytes]
    stored: BinaryIO | None


def check_name(uri: str, data_format: str = "Auto") -> None:
    """Refuse, before anything is read, a name that says that nothing here reads the file.

    Raises:
        ConfigurationError: the name ends like another format's.
    """
    if data_format == "Auto" and sniff.plain_name(uri).endswith(_OTHER_FORMATS):
        raise ConfigurationError(
            f"data: {uri} is not read: convert it to TSV (source<TAB>target, one pair a line), "
            "JSONL or Parquet, plain, .gz or .zst; if only its name is another, set data.format"
        )


def read_rows(file: File) -> Iterator[Row | Broken]:
    """Yield every line of ``file`` as a pair or as broken, in order.

    Raises:
        ConfigurationError: the place cannot be read as it is told, or not without credentials.
        DataError: the file is missing, empty, damaged, cut off, or another kind of file.
        StorageError: the place failed while the file was read.
    """
    with ExitStack() as stack:
        content = _content(file.uri, file.location, stack)
        kind = sniff.format_of(file, content.head)
        if kind == "Parquet":
            stream = content.stored or stack.enter_context(_spooled(file.uri, content.blocks))
            yield from parquet.rows(file.uri, stream, file.fields, file.slice)
        elif kind == "JSONL":
            yield from jsonl.rows(file.uri, content.blocks, file.fields, file.slice)
        elif kind == "TSV":
            yield from tsv.rows(file.uri, content.blocks, file.slice)
        else:
            yield from _parallel(file, content, stack)


def text_format(file: File) -> str:
    """Return which of TEXT_FORMATS but Auto a file of texts to translate has.

    Raises:
        ProgramError: as ``read_texts``.
    """
    with ExitStack() as stack:
        return sniff.text_format_of(file, _content(file.uri, file.location, stack).head)


def read_texts(file: File) -> Iterator[Row | Broken]:
    """Yield the text of every line of ``file``, its target empty, or what is broken, in order.

    Raises:
        ConfigurationError: the place cannot be read as it is told, or not without credentials.
        DataError: the file is missing, empty, damaged, cut off, or another kind of file.
        StorageError: the place failed while the file was read.
    """
    with ExitStack() as stack:
        content = _content(file.uri, file.location, stack)
        kind = sniff.text_format_of(file, content.head)
        if kind == "Parquet":
            stream = content.stored or stack.enter_context(_spooled(file.uri, content.blocks))
            yield from parquet.texts(file.uri, stream, file.fields.source)
        elif kind == "JSONL":
            yield from jsonl.texts(file.uri, content.blocks, file.fields.source)
        elif kind == "TSV":
            yield from tsv.texts(file.uri, content.blocks)
        else:
            yield from lines.texts(file.uri, content.blocks)


def _parallel(file: File, source: _Content, stack: ExitStack) -> Iterator[Row | Broken]:
    if file.target is None:
        raise ConfigurationError(
            f"data: {file.uri}: data.format Parallel needs targetUri, the file with the other side"
        )
    target = _content(file.target, file.target, stack)
    sniff.check_text(file.target, target.head)
    yield from parallel.rows((file.uri, file.target), (source.blocks, target.blocks), file.slice)


def _content(name: str, location: str, stack: ExitStack) -> _Content:
    """Open a file, unpacked where its content (not its name) says that it is packed."""
    stream = stack.enter_context(places.opened(name, location))
    kind = packing(stream.peek(4)[:4])
    named = {".gz": "gzip", ".zst": "zstd"}.get(places.suffix(location))
    if named and kind != named and stream.peek(1):
        raise DataError(f"{name} is named {places.suffix(location)} but is not {named}: rename it")
    plain = cast("BinaryIO", stream)
    blocks = unpacked(plain, kind)
    try:
        head = next(blocks, b"")
    except DamagedError as error:
        raise DataError(f"{name} {error}") from error
    stored = plain if kind is None and stream.seekable() else None
    return _Content(head, chain([head], blocks) if head else blocks, stored)


@contextmanager
def _spooled(name: str, blocks: Iterator[bytes]) -> Iterator[BinaryIO]:
    """Lay content down on disk, to be read in any order."""
    with tempfile.TemporaryFile() as copy:
        try:
            for block in blocks:
                copy.write(block)
            copy.seek(0)
        except DamagedError as error:
            raise DataError(f"{name} {error}") from error
        except OSError as error:
            raise StorageError(
                f"{name} could not be laid down in {tempfile.gettempdir()} "
                f"({error.strerror or error}), where Parquet from a web server or in .gz or .zst "
                "is read: make more room there"
            ) from error
        yield cast("BinaryIO", copy)
