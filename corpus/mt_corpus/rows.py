"""What a reader yields: pairs, and what stands where a pair should."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One pair as it stands in the file.

    A named tuple, not a dataclass: one is made for each of many million lines.

    Attributes:
        line: from 1; in Parquet the row.
        source: as it stands there.
        target: as it stands there.
        slice: part of the test set that the row itself, or else its file, names.
        repaired: what had to be put right to read it.
    """

    line: int
    source: str
    target: str
    slice: str | None = None
    repaired: str | None = None


class Broken(NamedTuple):
    """A line that holds no pair, and why."""

    line: int
    why: str
