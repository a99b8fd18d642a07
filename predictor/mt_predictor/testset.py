"""Test sentences out of a recipe's test files: held in memory, those without a pair counted.

Only a file that is broken as such is refused.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from mt_contract import names
from mt_contract.errors import DataError
from mt_corpus import files, places
from mt_corpus.files import File
from mt_corpus.reading import read_rows
from mt_corpus.rows import Broken, Row
from mt_predictor.settings import Environment, EvaluationSettings

MAX_SENTENCES = 1_000_000  # half a gigabyte or so
_NAMED_ROWS = 20
_TOO_MANY = (
    f"the test files hold more than {MAX_SENTENCES:,} sentences, which an evaluation keeps in "
    "memory: name a sample of them in spec.data.test"
)


@dataclass(frozen=True)
class Example:
    """One test sentence."""

    source: str
    reference: str
    slice: str | None


@dataclass(frozen=True)
class ExampleSet:
    """All test sentences."""

    examples: tuple[Example, ...]
    broken: int  # rows that hold no pair
    named: tuple[str, ...]  # the first of them: where, and why
    digests: tuple[str, ...]  # of each file's rows


def files_of(evaluation: EvaluationSettings, env: Environment) -> tuple[File, ...]:
    """Return the test files, and where this container reads them.

    Raises:
        ConfigurationError: the URI's scheme is not read by this release.
    """
    claims = env.get("MT_CLAIM_ROOT") or names.CLAIM_ROOT
    return files.files_of(
        evaluation.test,
        evaluation.format,
        evaluation.fields,
        lambda uri: places.locate(uri, claim_root=claims),
    )


def read(wanted: Sequence[File]) -> ExampleSet:
    """Return the sentences of ``wanted``.

    Raises:
        ConfigurationError: a place cannot be read as it is told.
        DataError: a file is missing, empty, damaged, or holds no pairs; or all are too long.
        StorageError: a file cannot be read just now.
    """
    if not wanted:
        raise DataError("there is no test data: name it in spec.data.test")
    found = [_read(file) for file in wanted]
    if sum(len(one.examples) for one in found) > MAX_SENTENCES:
        raise DataError(_TOO_MANY)
    return ExampleSet(
        examples=tuple(chain.from_iterable(one.examples for one in found)),
        broken=sum(one.broken for one in found),
        named=tuple(chain.from_iterable(one.named for one in found))[:_NAMED_ROWS],
        digests=tuple(chain.from_iterable(one.digests for one in found)),
    )


def _read(file: File) -> ExampleSet:
    """Return the sentences of one file."""
    examples: list[Example] = []
    named: list[str] = []
    digest = hashlib.sha256()
    broken = 0
    for row in read_rows(file):
        digest.update(names.canonical(row))
        found = _example(row)
        if isinstance(found, Example):
            examples.append(found)
        else:
            broken += 1
            if broken <= _NAMED_ROWS:
                named.append(f"{file.uri} line {row.line}: {found}")
        if len(examples) > MAX_SENTENCES:
            raise DataError(_TOO_MANY)
    if broken >= len(examples):
        raise DataError(
            f"{file.uri} is not parallel text: {broken:,} of {broken + len(examples):,} rows hold "
            f"no pair, the first is {named[0]}"
        )
    return ExampleSet(tuple(examples), broken, tuple(named), ("sha256:" + digest.hexdigest(),))


def _example(row: Row | Broken) -> Example | str:
    """Return a row as a test sentence, or why it is none."""
    if isinstance(row, Broken):
        return row.why
    source, reference = _normal(row.source), _normal(row.target)
    return Example(source, reference, row.slice) if source and reference else "one side is empty"


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
