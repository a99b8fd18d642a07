"""A look through the whole input before anything is translated, which takes much longer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from mt_contract import names
from mt_contract.errors import DataError
from mt_corpus.rows import Broken, Row


@dataclass(frozen=True)
class Survey:
    """What a file holds."""

    lines: int
    digest: str  # of all lines, whatever the file is packed as


def survey(uri: str, rows: Iterable[Row | Broken]) -> Survey:
    """Return what the file holds.

    Raises:
        DataError: more lines than not hold no text; or as reading raises.
    """
    digest = hashlib.sha256()
    lines = broken = 0
    first = ""
    for row in rows:
        lines += 1
        digest.update(names.canonical(row))
        if isinstance(row, Broken):
            broken += 1
            first = first or f"line {row.line}: {row.why}"
    if broken * 2 > lines:
        raise DataError(
            f"{uri} is no text to translate: {broken:,} of {lines:,} lines hold none, the first is "
            f"{first}"
        )
    return Survey(lines, "sha256:" + digest.hexdigest())
