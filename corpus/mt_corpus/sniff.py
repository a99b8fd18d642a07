"""What a file is by its first bytes: the format it has, or why it is no parallel text."""

from __future__ import annotations

import json
import re

from mt_contract.errors import DataError
from mt_corpus.files import File
from mt_corpus.lines import NUL
from mt_corpus.packing import packing
from mt_corpus.places import path_of

_PARQUET = b"PAR1"
_TEXT = 1 << 16  # first bytes in which a text has no NUL
_CONVERT = "convert it to TSV, JSONL or Parquet"
_UNPACK = "unpack it, and name the file inside"
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", f"is a zip archive or a spreadsheet: {_UNPACK}, or {_CONVERT}"),
    (b"BZh", "is bzip2: pack it as .gz or .zst"),
    (b"\xfd7zXZ\0", "is xz: pack it as .gz or .zst"),
    (b"7z\xbc\xaf\x27\x1c", f"is a 7z archive: {_UNPACK}"),
    (b"Rar!", f"is a RAR archive: {_UNPACK}"),
    (b"%PDF", f"is a PDF: {_CONVERT}"),
    (b"ARROW1", "is an Arrow file: write it as Parquet"),
    (b"PARE", "is encrypted Parquet: write it without encryption"),
    (b"SQLite format 3", f"is a database: {_CONVERT}"),
    (b"\xff\xfe", "is UTF-16 (or UTF-32): convert it with iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "is UTF-16: convert it with iconv -f UTF-16 -t UTF-8"),
    (
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer, not the data: run `git lfs pull` where it was copied from, and copy "
        "it again",
    ),
)
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\b")


def check_text(name: str, head: bytes) -> None:
    """Refuse a file whose beginning says that it is no text.

    Args:
        name: of the file, for messages.
        head: its first block, unpacked.

    Raises:
        DataError: it is an archive, a web page, UTF-16, binary, …; says what to do.
    """
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise DataError(f"{name} {what}")
    if packing(head[:4]):
        raise DataError(f"{name} is packed twice: unpack it once")
    if head[257:262] == b"ustar":
        raise DataError(f"{name} is a tar archive: {_UNPACK}")
    if _PAGE.match(head):
        raise DataError(
            f"{name} is a web page (of a login, or of an error), not data: download the file itself"
        )
    if _XML.match(head):
        raise DataError(f"{name} is XML (TMX?): {_CONVERT}")
    if (found := head.find(b"\0", 0, _TEXT)) >= 0:
        line = head.count(b"\n", 0, found) + 1
        raise DataError(f"{name}, line {line}: {NUL}: name the right file or convert it")
    if b"\r" in head and b"\n" not in head:
        raise DataError(f"{name} ends its lines with CR alone: convert it with tr '\\r' '\\n'")


def format_of(file: File, head: bytes) -> str:
    """Return the format of a file: the one that is told, or else what name and content say.

    Args:
        file: as the recipe names it.
        head: its first block, unpacked.

    Raises:
        DataError: it is an archive, a web page, …, or Parquet where it should not be.
    """
    is_parquet = head.startswith(_PARQUET)
    if not is_parquet:
        check_text(file.uri, head)
    named = _named_format(file)
    if named is None:
        named = "Parquet" if is_parquet else "JSONL" if _is_object(head) else "TSV"
    if head and is_parquet != (named == "Parquet"):
        found = "is Parquet" if is_parquet else "does not begin as Parquet does"
        raise DataError(
            f"{file.uri} should be {named}, but {found}: correct spec.data.format or its name"
        )
    return named


def text_format_of(file: File, head: bytes) -> str:
    """Return the format of a file of texts without translations: lines, if nothing says another.

    Raises:
        DataError: as ``format_of``.
    """
    found = format_of(file, head)
    is_told = file.format != "Auto" or plain_name(file.location).endswith(".tsv")
    return "Lines" if found == "TSV" and not is_told else found


def plain_name(location: str) -> str:
    """Return a location in lower case, without a URL's query and without .gz or .zst."""
    return path_of(location).lower().removesuffix(".gz").removesuffix(".zst")


def _named_format(file: File) -> str | None:
    """Return the format that the recipe or the file's name tells."""
    if file.target is not None:
        return "Parallel"
    if file.format != "Auto":
        return file.format
    name = plain_name(file.location)
    if name.endswith(".parquet"):
        return "Parquet"
    return "JSONL" if name.endswith((".jsonl", ".ndjson", ".json")) else None


def _is_object(head: bytes) -> bool:
    """Return whether the first line is a JSON object."""
    if not head.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(head.lstrip().partition(b"\n")[0]), dict)
    except (ValueError, RecursionError):
        return False
