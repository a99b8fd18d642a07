"""What all files of a recipe hold, before anything is refused or divided.

All that is as long as the corpus stands on disk, in files that are read and written in order, or
mapped: memory holds a block of it at a time, and what is kept of test and validation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mt_contract.resource import Checks
from mt_corpus.files import File
from mt_trainer.clean import LONGEST_PIECE, FileCount, Held, Limits, Reject, clean_rows
from mt_trainer.duplicates import first_of_each
from mt_trainer.spool import Spool, spool

_TEST_KEPT = 2000  # test sentences kept for the comparison of engines


@dataclass(frozen=True)
class Files:
    """All files of a recipe."""

    train: tuple[File, ...]
    validation: tuple[File, ...] = ()
    test: tuple[File, ...] = ()


@dataclass(frozen=True)
class TestText:
    """Held-out sources, to be kept out of training.

    Attributes:
        fingerprints: ``hash`` of each.
        sentences: the first few thousand.
        counts: of each file.
        slices: how many rows each slice has; those of none are under "".
    """

    __test__ = False
    fingerprints: frozenset[int] = frozenset()
    sentences: tuple[str, ...] = ()
    counts: tuple[FileCount, ...] = ()
    slices: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Survey:
    """What all files hold, before anything is refused.

    Attributes:
        train: fit pairs of the training files.
        keep: which of them stand for the first time.
        validation: fit pairs of the validation files, and which of them to keep; None without such.
        test: held-out sources.
        overlaps: how many distinct sources of test and of validation stand in the training files.
    """

    train: Spool
    keep: np.ndarray
    validation: tuple[Spool, np.ndarray] | None
    test: TestText
    overlaps: dict[Reject, int]
    validation_in_test: int = 0  # validation pairs with a source of the test files


def limits(checks: Checks, max_tokens: int) -> Limits:
    """Return what a single pair may be for a model that takes so many tokens."""
    return Limits(LONGEST_PIECE * max_tokens, float(checks.max_length_ratio))


def survey(files: Files, limits: Limits, folder: Path) -> Survey:
    """Read and clean all files, and find what stands in them twice.

    Pairs whose source stands in a test or validation file are left out of training.

    Raises:
        DataError: a file is broken.
        StorageError: a file could not be read.
    """
    test = read_test(files.test, limits)
    held = Held(dict.fromkeys(test.fingerprints, Reject.TEST_OVERLAP))
    validation, shared = None, 0
    if files.validation:
        spooled = spool(files.validation, limits, folder / "validation.spool")
        validation = spooled, _distinct(spooled, folder / "validation.keep")
        sources = Counter(_sources(spooled.text))
        shared = sum(number for source, number in sources.items() if source in test.fingerprints)
        held = Held(dict.fromkeys(sources, Reject.VALIDATION_OVERLAP) | dict(held.sources))
    train = spool(files.train, limits, folder / "train.spool", held)
    keep = _distinct(train, folder / "train.keep")
    overlaps = {why: len(found) for why, found in held.found.items()}
    return Survey(train, keep, validation, test, overlaps, shared)


def read_test(files: Sequence[File], limits: Limits) -> TestText:
    """Return the distinct sources of the test files.

    Raises:
        DataError: one of them is broken.
    """
    seen: dict[int, str | None] = {}
    counts, slices = [], Counter[str]()
    for file in files:
        counts.append(FileCount(file.uri))
        for row in clean_rows(file, limits, counts[-1]):
            slices[row.slice or ""] += 1
            seen.setdefault(hash(row.source), row.source if len(seen) < _TEST_KEPT else None)
    sentences = tuple(text for text in seen.values() if text is not None)
    return TestText(frozenset(seen), sentences, tuple(counts), slices)


def _distinct(spooled: Spool, path: Path) -> np.ndarray:
    """Return a mask of the pairs that stand for the first time; count the others."""
    keep = first_of_each(spooled.pairs, path)
    spooled.count_duplicates(keep)
    return keep


def _sources(text: Path) -> Iterator[int]:
    with text.open(encoding="utf-8", newline="\n") as lines:
        yield from (hash(line.split("\t", 1)[0]) for line in lines)
