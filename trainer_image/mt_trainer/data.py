"""The corpus: files cleaned, checked and divided, before anything costly begins.

Two passes, neither of which holds text in memory: the first judges every row and spools the fit
pairs, the second drops duplicates and divides.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mt_contract.errors import DataError
from mt_contract.resource import Checks
from mt_corpus.files import File
from mt_trainer.clean import LONGEST_PIECE, FileCount, Limits, Reject, clean_rows, fingerprint

_HELD_OUT = 0.02  # share of the training text that validates where no validation files are named
_FEWEST, _MOST = 50, 2000  # pairs held out, where there are enough
_TEST_KEPT = 2000  # test sentences kept for the comparison of engines


@dataclass(frozen=True)
class Files:
    """All files of a recipe."""

    train: tuple[File, ...]
    validation: tuple[File, ...] = ()
    test: tuple[File, ...] = ()


@dataclass(frozen=True)
class TestText:
    """Held-out sources, to be kept out of training."""

    __test__ = False
    fingerprints: frozenset[int] = frozenset()
    sentences: tuple[str, ...] = ()  # the first few thousand


@dataclass(frozen=True)
class Corpus:
    """Normalised text, one ``source<TAB>target`` a line, and what was found on the way."""

    train: Path
    validation: Path
    pairs: int
    validation_pairs: int
    digest: str
    counts: tuple[FileCount, ...]
    validation_counts: tuple[FileCount, ...]  # none: validation was held out from training
    test: TestText


@dataclass(frozen=True)
class _Spool:
    """Fit pairs of several files on disk, ``file<TAB>line<TAB>source<TAB>target``."""

    path: Path
    fingerprints: np.ndarray
    counts: tuple[FileCount, ...]
    overlapping: int  # test sources that stood in these files


def prepare(files: Files, checks: Checks, max_tokens: int, seed: int, folder: Path) -> Corpus:
    """Read, clean, check and divide all files of a recipe.

    Args:
        files: where the text is.
        checks: what the recipe tolerates.
        max_tokens: the longest sentence that the model takes.
        seed: decides which pairs are held out.
        folder: where the text is laid down; nothing else may stand in it.

    Raises:
        DataError: a file is broken, or a check is violated.
        StorageError: a file could not be read.
    """
    limits = Limits(LONGEST_PIECE * max_tokens, float(checks.max_length_ratio))
    test = read_test(files.test, limits)
    train = _spool(files.train, limits, folder / "train.spool", test.fingerprints)
    keep = _first_of_each(train)
    _check(train.counts, checks, int(keep.sum()), train.overlapping, len(test.fingerprints))
    held_out = np.zeros_like(keep)
    if not files.validation:
        held_out = _held_out(train, keep, seed)
    digest = hashlib.sha256()
    pairs = _write(train, keep & ~held_out, folder / "train.tsv", digest)
    validation = (
        _spool(files.validation, limits, folder / "validation.spool") if files.validation else train
    )
    chosen = _first_of_each(validation) if files.validation else held_out
    validation_pairs = _write(validation, chosen, folder / "validation.tsv", digest)
    if not validation_pairs:
        raise DataError(
            f"no usable pair in the validation files ({_names(files.validation)}): correct or "
            "remove them"
        )
    return Corpus(
        train=folder / "train.tsv",
        validation=folder / "validation.tsv",
        pairs=pairs,
        validation_pairs=validation_pairs,
        digest="sha256:" + digest.hexdigest(),
        counts=train.counts,
        validation_counts=validation.counts if files.validation else (),
        test=test,
    )


def read_test(files: Sequence[File], limits: Limits) -> TestText:
    """Return the distinct sources of the test files.

    Raises:
        DataError: one of them is broken.
    """
    seen: dict[int, str | None] = {}
    for file in files:
        for row in clean_rows(file, limits, FileCount(file.uri)):
            seen.setdefault(fingerprint(row.source), row.source if len(seen) < _TEST_KEPT else None)
    return TestText(frozenset(seen), tuple(text for text in seen.values() if text is not None))


def _spool(
    files: Sequence[File], limits: Limits, path: Path, tested: Container[int] = ()
) -> _Spool:
    seen, counts = array("Q"), []
    watch = _Watch(tested)
    with path.open("w", encoding="utf-8", newline="\n") as spool:
        for number, file in enumerate(files):
            counts.append(FileCount(file.uri))
            for row in clean_rows(file, limits, counts[-1], watch):
                seen.append(fingerprint(row.source, row.target))
                spool.write(f"{number}\t{row.line}\t{row.source}\t{row.target}\n")
    return _Spool(path, np.frombuffer(seen, np.uint64), tuple(counts), len(watch.found))


class _Watch:
    """A set of fingerprints that remembers which of them were asked for and found."""

    def __init__(self, fingerprints: Container[int]) -> None:
        self._fingerprints = fingerprints
        self.found: set[object] = set()

    def __contains__(self, item: object) -> bool:
        if item not in self._fingerprints:
            return False
        self.found.add(item)
        return True


def _first_of_each(spool: _Spool) -> np.ndarray:
    """Return a mask of the pairs that stand for the first time; count the others."""
    keep = np.zeros(len(spool.fingerprints), bool)
    keep[np.unique(spool.fingerprints, return_index=True)[1]] = True
    if not keep.all():
        with spool.path.open(encoding="utf-8", newline="\n") as lines:
            for text, kept in zip(lines, keep, strict=True):
                if not kept:
                    number, line, _ = text.split("\t", 2)
                    spool.counts[int(number)].reject(Reject.DUPLICATE, int(line))
    return keep


def _held_out(spool: _Spool, keep: np.ndarray, seed: int) -> np.ndarray:
    """Return a mask of pairs that validate, chosen by source: none stands on both sides."""
    keys = np.zeros(len(keep), np.uint64)
    with spool.path.open(encoding="utf-8", newline="\n") as lines:
        for position, text in enumerate(lines):
            keys[position] = fingerprint(str(seed), text.split("\t", 3)[2])
    pairs = int(keep.sum())
    wanted = min(max(round(_HELD_OUT * pairs), min(_FEWEST, pairs // 10), 1), _MOST)
    if len(np.unique(keys[keep])) < 2:
        raise DataError(
            "the training files hold a single source sentence: nothing can be held out for "
            "validation"
        )
    threshold = np.partition(keys[keep], wanted - 1)[wanted - 1]
    chosen: np.ndarray = keep & (keys <= threshold)
    return chosen


def _write(spool: _Spool, chosen: np.ndarray, path: Path, digest: hashlib._Hash) -> int:
    """Write the chosen pairs to ``path``, take them into ``digest``, and return their number."""
    with spool.path.open("rb") as lines, path.open("wb") as out:
        for text, wanted in zip(lines, chosen, strict=True):
            if wanted:
                pair = text.split(b"\t", 2)[2]
                out.write(pair)
                digest.update(pair)
    digest.update(b"\0")
    return int(chosen.sum())


def _names(files: Sequence[File]) -> str:
    return ", ".join(file.uri for file in files)


def _check(
    counts: Sequence[FileCount], checks: Checks, pairs: int, overlapping: int, tested: int
) -> None:
    """Refuse a corpus that violates a check of the recipe.

    Raises:
        DataError: with the share found, the share allowed, the first place, and what to do.
    """
    rows = sum(count.rows for count in counts)
    shares = (
        (Reject.EMPTY, "have an empty side", checks.max_empty_fraction, "maxEmptyFraction"),
        (
            Reject.COPY,
            "have a target that is the source",
            checks.max_copy_fraction,
            "maxCopyFraction",
        ),
        (Reject.DUPLICATE, "are duplicates", checks.max_duplicate_fraction, "maxDuplicateFraction"),
    )
    for why, what, limit, name in shares:
        found = sum(count.rejected[why] for count in counts)
        if found > float(limit) * rows:
            raise DataError(
                f"{found:,} of {rows:,} training rows ({found / rows:.1%}) {what} (first: "
                f"{_first(counts, why)}), "
                f"data.checks.{name} allows {float(limit):.1%}: remove them, or raise the limit"
            )
    if tested and overlapping > float(checks.max_test_overlap) * tested:
        raise DataError(
            f"{overlapping:,} of {tested:,} test sentences ({overlapping / tested:.1%}) stand in "
            "the training files too "
            f"(first: {_first(counts, Reject.TEST_OVERLAP)}), data.checks.maxTestOverlap allows "
            f"{float(checks.max_test_overlap):.1%}: scores would be worth nothing. Remove them "
            "from training; with a higher "
            "limit they are left out of training and counted"
        )
    if pairs < checks.min_pairs:
        raise DataError(
            f"{pairs:,} usable pairs in {rows:,} training rows, data.checks.minPairs asks for "
            f"{checks.min_pairs:,}: "
            f"add data, or lower the limit. Not used: {_summary(counts) or 'none'}"
        )


def _first(counts: Sequence[FileCount], why: Reject) -> str:
    return next(count.first[why] for count in counts if why in count.first)


def _summary(counts: Sequence[FileCount]) -> str:
    totals = {why: sum(count.rejected[why] for count in counts) for why in Reject}
    return ", ".join(f"{number:,} {why}" for why, number in totals.items() if number)
