"""Which pairs are fit to learn from; the unfit are counted by reason, with the first of each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from mt_contract.errors import DataError
from mt_corpus.files import File
from mt_corpus.reading import Broken, Row, read_rows
from mt_corpus.text import normalize

LONGEST_PIECE = 16  # characters; SentencePiece's own limit
_SHORT = 20  # characters below which the ratio of lengths says nothing ("OK" and its translation)


class Reject(StrEnum):
    """Why a row is not learned from."""

    BROKEN = "broken"
    EMPTY = "empty"
    OVER_LONG = "overLong"
    RATIO = "ratio"
    COPY = "copy"
    DUPLICATE = "duplicate"
    TEST_OVERLAP = "testOverlap"


@dataclass(frozen=True)
class Limits:
    """What a single pair may be."""

    max_characters: int  # a side with more has more tokens than the model takes
    max_ratio: float  # of the longer side to the shorter, in characters


@dataclass
class FileCount:
    """What was found in one file."""

    uri: str
    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)  # reason → the first line rejected for it

    def reject(self, why: Reject, line: int, detail: str = "") -> None:
        """Count one row that is not used."""
        self.rejected[why] += 1
        self.first.setdefault(why, f"{self.uri} line {line}" + (f": {detail}" if detail else ""))


def judge(source: str, target: str, limits: Limits) -> Reject | None:
    """Return why a normalised pair is unfit, or None."""
    if not source or not target:
        return Reject.EMPTY
    shorter, longer = sorted((len(source), len(target)))
    if longer > limits.max_characters:
        return Reject.OVER_LONG
    if longer > max(_SHORT, limits.max_ratio * shorter):
        return Reject.RATIO
    return Reject.COPY if source == target else None


def fingerprint(*texts: str) -> int:
    """Return 64 bits that stand for ``texts``."""
    digest = hashlib.blake2b("\t".join(texts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def clean_rows(
    file: File, limits: Limits, count: FileCount, tested: Container[int] = ()
) -> Iterator[Row]:
    """Yield the fit pairs of one file, normalised; what is not fit is counted in ``count``.

    Args:
        file: what is read.
        limits: what a single pair may be.
        count: of this file, filled in while the rows are read.
        tested: fingerprints of test sources; a pair with one of them is rejected.

    Raises:
        DataError: the file is broken, or more of its lines are broken than not.
        StorageError: it could not be read.
    """
    for row in read_rows(file):
        count.rows += 1
        if isinstance(row, Broken):
            count.reject(Reject.BROKEN, row.line, row.why)
            continue
        pair = Row(row.line, normalize(row.source), normalize(row.target))
        why = judge(pair.source, pair.target, limits)
        if why is None and fingerprint(pair.source) in tested:
            why = Reject.TEST_OVERLAP
        if why is None:
            yield pair
        else:
            count.reject(why, row.line)
    broken = count.rejected[Reject.BROKEN]
    if 2 * broken > count.rows:
        raise DataError(
            f"{count.uri} is not parallel text: {broken:,} of {count.rows:,} lines are broken "
            "(first: "
            f"{count.first[Reject.BROKEN]}). Each line must be source<TAB>target in UTF-8: name "
            "the right file or convert it"
        )
