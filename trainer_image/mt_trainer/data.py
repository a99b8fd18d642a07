"""The corpus: files cleaned, checked and divided, before anything costly begins."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np

from mt_contract.errors import DataError
from mt_contract.resource import Checks
from mt_trainer.checks import violations
from mt_trainer.clean import FileCount
from mt_trainer.order import mixed
from mt_trainer.spool import Spool
from mt_trainer.statistics import Statistics
from mt_trainer.survey import Files, Survey, TestText, limits, survey

_HELD_OUT = 0.02  # share of the training text that validates where no validation files are named
_FEWEST, _MOST = 50, 2000  # pairs held out, where there are enough
_BLOCK = 1 << 16  # rows


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
    statistics: Statistics  # of the text in ``train``
    where: Callable[[int], str] = str  # file and line of a row that the statistics name
    validation_in_test: int = 0  # validation pairs with a source of the test files


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
    found = survey(files, limits(checks, max_tokens), folder)
    for complaint in violations(found, checks):
        raise DataError(complaint)
    return divide(found, seed, folder)


def divide(found: Survey, seed: int, folder: Path) -> Corpus:
    """Write what is learned from and what validates, and describe the former.

    Raises:
        DataError: one of them would be empty.
    """
    statistics = Statistics()
    with _Text(folder / "train.tsv") as train, _Text(folder / "validation.tsv") as validation:
        least = None if found.validation else _threshold(found, seed)
        for lines, rows in found.train.chosen(found.keep):
            out = np.zeros(len(rows), bool)
            if least is not None:
                out = _keys(found.train, rows, seed) <= least
                validation.add(list(compress(lines, out)))
            statistics.add(train.add(list(compress(lines, ~out))).decode(), rows[~out])
        if found.validation:
            for lines, _ in found.validation[0].chosen(found.validation[1]):
                validation.add(lines)
    found.train.text.unlink()  # room for the tokens
    counts = found.validation[0].counts if found.validation else ()
    if not validation.pairs:
        raise DataError(
            f"no usable pair in the validation files ({', '.join(count.uri for count in counts)}): "
            "correct or remove them"
        )
    digests = train.digest.digest() + validation.digest.digest()
    return Corpus(
        train=train.path,
        validation=validation.path,
        pairs=train.pairs,
        validation_pairs=validation.pairs,
        digest="sha256:" + hashlib.sha256(digests).hexdigest(),
        counts=found.train.counts,
        validation_counts=counts,
        test=found.test,
        statistics=statistics,
        where=found.train.where,
        validation_in_test=found.validation_in_test,
    )


class _Text:
    """A file of pairs that is being written, their number, and their digest."""

    def __init__(self, path: Path) -> None:
        self.path, self.pairs, self.digest = path, 0, hashlib.sha256()

    def __enter__(self) -> _Text:
        self._stream = self.path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def add(self, lines: Sequence[bytes]) -> bytes:
        """Write some lines, and return them as one text."""
        text = b"".join(lines)
        self._stream.write(text)
        self.digest.update(text)
        self.pairs += len(lines)
        return text


def _threshold(found: Survey, seed: int) -> np.uint64:
    """Return the highest key of a source that validates.

    Chosen by source: none stands on both sides.

    Raises:
        DataError: there are not two sources.
    """
    pairs = int(np.count_nonzero(found.keep))
    wanted = min(max(round(_HELD_OUT * pairs), min(_FEWEST, pairs // 10), 1), _MOST)
    lowest, highest = np.zeros(0, np.uint64), np.uint64(0)
    for first in range(0, len(found.keep), _BLOCK):
        rows = first + np.flatnonzero(found.keep[first : first + _BLOCK])
        keys = _keys(found.train, rows, seed)
        highest = max(highest, keys.max(initial=0))
        lowest = np.sort(np.concatenate([lowest, keys]))[:wanted]
    if not pairs or lowest[0] == highest:
        raise DataError(
            "the training files hold a single source sentence: nothing can be held out for "
            "validation"
        )
    return np.uint64(min(lowest[-1], highest - np.uint64(1)))


def _keys(spool: Spool, rows: np.ndarray, seed: int) -> np.ndarray:
    return mixed(spool.sources[rows].astype(np.uint64), np.uint64(seed % 2**64))
