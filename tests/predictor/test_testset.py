"""Test files: what is read, what is counted, what is refused and in which words."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from mt_contract.errors import ConfigurationError, DataError, ProgramError
from mt_predictor.testset import ExampleSet, read

PAIRS = "um\tone\ndois\ttwo\n"


def read_one(tmp_path: Path, data: bytes, name: str = "test.tsv") -> ExampleSet:
    (tmp_path / name).write_bytes(data)
    return read([("pvc://c/test", tmp_path / name, "general")])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PAIRS.encode(), id="plain"),
        pytest.param(PAIRS.rstrip().encode(), id="no last line end"),
        pytest.param(PAIRS.replace("\n", "\r\n").encode(), id="Windows"),
        pytest.param(PAIRS.encode("utf-8-sig"), id="byte order mark"),
        pytest.param(gzip.compress(PAIRS.encode()), id="gzip, whatever its name"),
        pytest.param(PAIRS.replace("one", " one\u00a0 ").encode(), id="white space"),
    ],
)
def test_pairs_are_read(tmp_path: Path, data: bytes) -> None:
    found = read_one(tmp_path, data)
    assert [(one.source, one.reference) for one in found.examples] == [
        ("um", "one"),
        ("dois", "two"),
    ]
    assert {one.slice for one in found.examples} == {"general"}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param(b"only one side", "line 3: 1 columns instead of 2", id="no tab"),
        pytest.param(b"a\tb\tc", "line 3: 3 columns instead of 2", id="three columns"),
        pytest.param(b"a\t ", "line 3: one side is empty", id="empty side"),
        pytest.param(b"\xff\tb", "line 3: not UTF-8 at byte 0", id="not UTF-8"),
        pytest.param(b"a" * (1 << 20) + b"\tb", "line 3: longer than 1,048,576", id="over-long"),
    ],
)
def test_a_broken_row_is_counted_and_named(tmp_path: Path, row: bytes, why: str) -> None:
    found = read_one(tmp_path, PAIRS.encode() + row + b"\n")
    assert len(found.examples) == 2
    assert found.broken == 1
    assert why in found.named[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n\n", "is empty", id="blank lines"),
        pytest.param(bytes(range(256)) * 4, "NUL bytes", id="binary"),
        pytest.param(PAIRS.encode("utf-16"), "UTF-16", id="UTF-16"),
        pytest.param(gzip.compress(PAIRS.encode())[:-9], "ends in the middle", id="half a gzip"),
        pytest.param(
            gzip.compress(PAIRS.encode() * 99)[:12] + b"x" * 99, "damaged gzip", id="gzip"
        ),
        pytest.param(b"no\nTSV\nat all\tbut one", "2 of 3 rows hold no pair", id="prose"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_one(tmp_path, data)


@pytest.mark.parametrize(
    ("name", "data_format", "error", "message"),
    [
        pytest.param("test.jsonl", "Auto", ConfigurationError, "reads TSV", id="by name"),
        pytest.param("test.tsv", "Parquet", ConfigurationError, "Parquet", id="by format"),
        pytest.param("missing.tsv", "TSV", DataError, "is not a file", id="missing"),
        pytest.param(".", "TSV", DataError, "is not a file", id="a folder"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, data_format: str, error: type[ProgramError], message: str
) -> None:
    for existing in ("test.tsv", "test.jsonl"):
        (tmp_path / existing).write_text(PAIRS)
    with pytest.raises(error, match=message):
        read([("pvc://c/x", tmp_path / name, None)], data_format)


def test_no_files_no_evaluation() -> None:
    with pytest.raises(DataError, match=r"name it in spec\.data\.test"):
        read([])
