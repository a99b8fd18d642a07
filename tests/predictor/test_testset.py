"""Test files: what is read, what is counted, what is refused and in which words."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from mt_contract.errors import DataError
from mt_contract.resource import Fields, Source
from mt_corpus.files import File
from mt_predictor import testset
from mt_predictor.settings import EvaluationSettings
from mt_predictor.testset import Example, ExampleSet, files_of, read

PAIRS = "um\tone\ndois\ttwo\n"


def read_one(tmp_path: Path, data: bytes, name: str = "test.tsv") -> ExampleSet:
    (tmp_path / name).write_bytes(data)
    return read([File("pvc://c/test", str(tmp_path / name), slice="general")])


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
    ("name", "data_format", "message"),
    [
        pytest.param("test.jsonl", "Auto", "no pair, the first is .*not JSON", id="by name"),
        pytest.param("test.tsv", "Parquet", "should be Parquet", id="by format"),
        pytest.param("missing.tsv", "TSV", "does not exist", id="missing"),
        pytest.param(".", "TSV", "is not a file", id="a folder"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, data_format: str, message: str
) -> None:
    for existing in ("test.tsv", "test.jsonl"):
        (tmp_path / existing).write_text(PAIRS)
    with pytest.raises(DataError, match=message):
        read([File("pvc://c/x", str(tmp_path / name), format=data_format)])


def test_no_files_no_evaluation() -> None:
    with pytest.raises(DataError, match=r"name it in spec\.data\.test"):
        read([])


def test_a_row_may_name_its_own_slice(tmp_path: Path) -> None:
    lines = ['{"pt": "um", "en": "one", "domain": "legal"}', '{"pt": "dois", "en": "two"}']
    (tmp_path / "c").mkdir()
    (tmp_path / "c/test.jsonl").write_text("\n".join(lines))
    evaluation = EvaluationSettings(
        test=(Source("pvc://c/test.jsonl", slice="general"),),
        confidence="0.95",
        seed=1,
        fields=Fields("pt", "en", "domain"),
    )
    found = read(files_of(evaluation, {"MT_CLAIM_ROOT": str(tmp_path)}))
    assert found.examples == (Example("um", "one", "legal"), Example("dois", "two", "general"))


def test_two_line_aligned_files_are_one_test_set(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("um\ndois\n")
    (tmp_path / "b").write_text("one\ntwo\n")
    evaluation = EvaluationSettings(
        test=(Source(str(tmp_path / "a"), target_uri=str(tmp_path / "b")),),
        confidence="0.95",
        seed=1,
        format="Parallel",
    )
    assert [one.reference for one in read(files_of(evaluation, {})).examples] == ["one", "two"]


def test_a_digest_stands_for_the_rows_and_not_for_the_packing(tmp_path: Path) -> None:
    plain = read_one(tmp_path, PAIRS.encode()).digests
    assert read_one(tmp_path, gzip.compress(PAIRS.encode())).digests == plain
    assert read_one(tmp_path, PAIRS.replace("one", "1").encode()).digests != plain


def test_more_sentences_than_memory_should_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testset, "MAX_SENTENCES", 1)
    with pytest.raises(DataError, match="more than 1,000,000 sentences"):
        read_one(tmp_path, PAIRS.encode())
