"""Which pairs are fit to learn from; the unfit are counted by reason, with the first of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mt_contract.errors import DataError
from mt_corpus.files import File
from mt_corpus.reading import read_rows
from mt_corpus.rows import Broken, Row
from mt_corpus.text import normalize

LONGEST_PIECE = 16  # characters; SentencePiece's own limit
_SHORT = 20  # characters below which the ratio of lengths says nothing ("OK" and its translation)
SAMPLES, _SHOWN = 3, 80  # rows kept of each reason; characters kept of each side


class Reject(StrEnum):
    """Why a row is not learned from."""

    BROKEN = "broken"
    EMPTY = "empty"
    OVER_LONG = "overLong"
    RATIO = "ratio"
    COPY = "copy"
    DUPLICATE = "duplicate"
    TEST_OVERLAP = "testOverlap"
    VALIDATION_OVERLAP = "validationOverlap"


@dataclass(frozen=True)
class Limits:
    """What a single pair may be."""

    max_characters: int  # a side with more has more tokens than the model takes
    max_ratio: float  # of the longer side to the shorter, in characters


@dataclass(frozen=True)
class Sample:
    """A row that was rejected, cut to what a person needs to recognise it."""

    line: int
    source: str = ""
    target: str = ""
    detail: str = ""

    @classmethod
    def of(cls, line: int, source: str, target: str) -> Sample:
        """Return the sample of a pair."""
        return cls(line, *(_shortened(side) for side in (source, target)))


@dataclass
class FileCount:
    """What was found in one file."""

    uri: str
    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[Sample]] = field(default_factory=dict)  # the first few of each reason
    repaired: Counter[str] = field(default_factory=Counter)

    def reject(self, why: Reject, sample: Sample) -> None:
        """Count one row that is not used."""
        self.rejected[why] += 1
        kept = self.samples.setdefault(why, [])
        if len(kept) < SAMPLES:
            kept.append(sample)

    def first(self, why: str) -> str | None:
        """Return where the first rows rejected for a reason stand, or None."""
        if not (kept := self.samples.get(why)):
            return None
        detail = f": {kept[0].detail}" if kept[0].detail else ""
        further = ", ".join(str(sample.line) for sample in kept[1:])
        return f"{self.uri} line {kept[0].line}{detail}" + (f"; then {further}" if further else "")


@dataclass
class Held:
    """Sources that are kept for test and validation, and which of them training text has too.

    Attributes:
        sources: ``hash`` of each, and why a pair with it is rejected.
        found: of each reason those that were met.
    """

    sources: Mapping[int, Reject] = field(default_factory=dict)
    found: dict[Reject, set[int]] = field(default_factory=dict)

    def why(self, source: str) -> Reject | None:
        """Return why a pair with this source is not learned from, or None."""
        why = self.sources.get(hash(source))
        if why is not None:
            self.found.setdefault(why, set()).add(hash(source))
        return why


def judge(source: str, target: str, limits: Limits) -> Reject | None:
    """Return why a normalised pair is unfit, or None."""
    if not source or not target:
        return Reject.EMPTY
    shorter, longer = len(source), len(target)
    if shorter > longer:
        shorter, longer = longer, shorter
    if longer > limits.max_characters:
        return Reject.OVER_LONG
    if longer > _SHORT and longer > limits.max_ratio * shorter:
        return Reject.RATIO
    return Reject.COPY if source == target else None


def clean_rows(
    file: File, limits: Limits, count: FileCount, held: Held | None = None
) -> Iterator[Row]:
    """Yield the fit pairs of one file, normalised; what is not fit is counted in ``count``.

    Args:
        file: what is read.
        limits: what a single pair may be.
        count: of this file, filled in while the rows are read.
        held: sources that are kept for something else; a pair with one of them is rejected.

    Raises:
        DataError: the file is broken, or more of its lines are broken than not.
        StorageError: it could not be read.
    """
    held = held or Held()
    for row in read_rows(file):
        count.rows += 1
        if isinstance(row, Broken):
            count.reject(Reject.BROKEN, Sample(row.line, detail=row.why))
            continue
        source, target = normalize(row.source), normalize(row.target)
        why = judge(source, target, limits) or held.why(source)
        if row.repaired:
            count.repaired[row.repaired] += 1
        if why is None:
            yield Row(row.line, source, target, row.slice)
        else:
            count.reject(why, Sample.of(row.line, source, target))
    broken = count.rejected[Reject.BROKEN]
    if 2 * broken > count.rows:
        raise DataError(
            f"{count.uri} is not parallel text: {broken:,} of {count.rows:,} lines are broken "
            f"(first: {count.first(Reject.BROKEN)}). Each must hold a pair (in TSV "
            "source<TAB>target, in UTF-8): name the right file, correct spec.data.format or "
            "spec.data.fields, or convert it"
        )


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
