from __future__ import annotations

import gzip
import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trainer import builders

from mt_contract.errors import ConfigurationError, DataError, StorageError
from mt_contract.resource import Checks
from mt_corpus.files import File
from mt_trainer import clean, data, duplicates, spool
from mt_trainer.clean import Reject
from mt_trainer.data import Corpus
from mt_trainer.survey import Files

GOOD = b"".join(f"{a}\t{b}\n".encode() for a, b in builders.pairs(100))
ROWS = builders.pairs(60)
STRICT = Checks(
    min_pairs=10,
    max_empty_fraction=Decimal("0.01"),
    max_duplicate_fraction=Decimal("0.2"),
    max_length_ratio=Decimal("9"),
    max_copy_fraction=Decimal("0.1"),
    max_test_overlap=Decimal(0),
)
LENIENT = replace(
    STRICT,
    min_pairs=1,
    max_empty_fraction=Decimal(1),
    max_duplicate_fraction=Decimal(1),
    max_copy_fraction=Decimal(1),
    max_test_overlap=Decimal(1),
)


def prepare(
    folder: Path,
    train: bytes,
    checks: Checks = LENIENT,
    name: str = "train.tsv",
    test: bytes = b"",
    validation: bytes = b"",
) -> Corpus:
    def file(called: str, content: bytes) -> tuple[File, ...]:
        path = folder / called
        path.write_bytes(content)
        return (File(called, str(path)),) if content else ()

    work = folder / "work"
    work.mkdir(exist_ok=True)
    train_files = (File(name, str(folder / name)),)
    (folder / name).write_bytes(train)
    files = Files(train_files, file("validation.tsv", validation), file("test.tsv", test))
    return data.prepare(files, checks, 24, 1, work)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param(b"\tunu", Reject.EMPTY, id="an empty source"),
        pytest.param(b"one\t ", Reject.EMPTY, id="a blank target"),
        pytest.param(b"", Reject.EMPTY, id="a blank line"),
        pytest.param(b"one unu", Reject.BROKEN, id="no tab"),
        pytest.param(b"one\tunu\tCC-BY", Reject.BROKEN, id="a third column"),
        pytest.param(b"on\xe9\tunu", Reject.BROKEN, id="Latin-1 instead of UTF-8"),
        pytest.param(b"\xff\xfe\tunu", Reject.BROKEN, id="bytes that are no text"),
        pytest.param(b"x" * 2_000_000 + b"\tunu", Reject.BROKEN, id="a line of two megabytes"),
        pytest.param(b"one " * 200 + b"\tunu", Reject.OVER_LONG, id="more than the model takes"),
        pytest.param(b"one\t" + b"unu " * 20, Reject.RATIO, id="a target twenty times as long"),
        pytest.param(b"same text\tsame text", Reject.COPY, id="a copy"),
        pytest.param(b"so\xcc\x81\ts\xc3\xb3", None, id="different words in one normal form"),
        pytest.param(GOOD.splitlines()[3], Reject.DUPLICATE, id="a pair that was there"),
        pytest.param(b" seven  seven nine\tsep  sep na\xc5\xad \r", None, id="untidy white space"),
        pytest.param("é è\u2028\tá à".encode(), None, id="a line separator inside"),
        pytest.param(b"OK\tEst\xc3\xa1 bem assim", None, id="short texts may differ in length"),
    ],
)
def test_a_row_is_used_or_counted_with_its_line(
    tmp_path: Path, row: bytes, why: Reject | None
) -> None:
    lines = GOOD.splitlines()
    content = b"\n".join([*lines[:50], row, *lines[50:]]) + b"\n"
    corpus = prepare(tmp_path, content)
    if row.startswith(b"so"):
        why = Reject.COPY  # it is one, once both are normal
    assert corpus.pairs + corpus.validation_pairs == 100 + (why is None)
    assert dict(corpus.counts[0].rejected) == ({why: 1} if why else {})
    if why:
        assert corpus.counts[0].first(why).startswith("train.tsv line 51")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("train.tsv", b"", "is empty", id="an empty file"),
        pytest.param("train.tsv", gzip.compress(b""), "is empty", id="an empty gzip"),
        pytest.param(
            "train.tsv.gz", gzip.compress(GOOD)[:300], "ends in the middle", id="half a gzip"
        ),
        pytest.param("train.tsv.gz", GOOD, "is not gzip", id="a text named .gz"),
        pytest.param(
            "train.tsv.gz",
            gzip.compress(GOOD)[:200] + b"\xff" * 50 + gzip.compress(GOOD)[250:],
            "damaged gzip",
            id="a gzip with changed bytes",
        ),
        pytest.param("train.tsv", bytes(range(256)) * 50, "binary file", id="a binary file"),
        pytest.param("train.tsv", GOOD.decode().encode("utf-16"), "UTF-16", id="UTF-16"),
        pytest.param(
            "train.tsv", GOOD.replace(b"\t", b","), "not parallel text", id="commas for tabs"
        ),
        pytest.param("train.tsv", b"\xe9\t\xe8\n" * 99, "line 1: not UTF-8", id="all in Latin-1"),
        pytest.param("train.tsv", b"\t\n" * 99, "0 usable pairs", id="nothing but empty rows"),
        pytest.param("train.tsv", b"one\tunu\n" * 99, "a single source", id="one pair repeated"),
    ],
)
def test_a_broken_file_ends_the_run_with_its_name(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        prepare(tmp_path, content, name=name)
    assert name in str(error.value) or "files" in str(error.value) or "rows" in str(error.value)


def test_bytes_at_random_never_crash_it(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(200):
        noise = chance.randbytes(chance.randint(1, 300)).replace(b"\0", b"\t")
        with pytest.raises((DataError, ConfigurationError)):
            prepare(tmp_path, noise, checks=STRICT)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    files = Files((File("pvc://corpora/none.tsv", str(tmp_path / "none.tsv")),))
    with pytest.raises(DataError, match=r"none\.tsv does not exist"):
        data.prepare(files, LENIENT, 24, 1, tmp_path)


def test_a_folder_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a file"):
        data.prepare(Files((File("corpora", str(tmp_path)),)), LENIENT, 24, 1, tmp_path)


def test_storage_that_fails_while_reading_is_retried_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(GOOD)

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(StorageError, match="the storage failed"):
        list(
            clean.clean_rows(
                File("train.tsv", str(path)), clean.Limits(100, 9), clean.FileCount("train.tsv")
            )
        )


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    assert prepare(tmp_path, gzip.compress(GOOD), name="train.tsv").pairs == 90
    assert prepare(tmp_path, gzip.compress(GOOD), name="train.tsv.gz").pairs == 90


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    corpus = prepare(tmp_path, b"\xef\xbb\xbf" + GOOD)
    assert "\ufeff" not in corpus.train.read_text() + corpus.validation.read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(GOOD + b"\tunu\n" * 5, "maxEmptyFraction allows 1.0%", id="empty sides"),
        pytest.param(GOOD + b"a b\ta b\n" * 30, "maxCopyFraction allows 10.0%", id="copies"),
        pytest.param(GOOD * 2, "maxDuplicateFraction allows 20.0%", id="duplicates"),
        pytest.param(GOOD[:300], "minPairs asks for 10", id="too few pairs"),
    ],
)
def test_a_violated_check_says_what_was_found_and_allowed(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        prepare(tmp_path, content, STRICT)
    assert "train.tsv line" in str(error.value) or "minPairs" in message


def test_test_sentences_in_training_are_refused(tmp_path: Path) -> None:
    leak = b"".join(GOOD.splitlines(keepends=True)[5:8]) + b"never seen\tneniam\n"
    with pytest.raises(DataError, match=r"3 of 4 test sentences .* line 6"):
        prepare(tmp_path, GOOD, STRICT, test=leak)


def test_where_overlap_is_allowed_it_is_still_left_out_of_training(tmp_path: Path) -> None:
    leak = b"".join(GOOD.splitlines(keepends=True)[5:8])
    corpus = prepare(tmp_path, GOOD, LENIENT, test=leak)
    learned = corpus.train.read_text() + corpus.validation.read_text()
    assert corpus.counts[0].rejected[Reject.TEST_OVERLAP] == 3
    assert not any(line in learned for line in leak.decode().splitlines())


def test_what_validates_is_left_out_of_training_and_counted(tmp_path: Path) -> None:
    known = b"".join(GOOD.splitlines(keepends=True)[5:8])
    elsewhere = known.replace(b"\n", b" alia\n") + b"never seen\tneniam\n"
    corpus = prepare(tmp_path, GOOD, STRICT, validation=elsewhere, test=b"never seen\tnova\n")
    assert (corpus.pairs, corpus.validation_pairs) == (97, 4)
    assert corpus.counts[0].rejected[Reject.VALIDATION_OVERLAP] == 3
    assert corpus.counts[0].first(Reject.VALIDATION_OVERLAP) == "train.tsv line 6; then 7, 8"
    assert corpus.validation_in_test == 1


def test_rows_of_the_test_files_are_counted_by_slice(tmp_path: Path) -> None:
    files = []
    for name, part, count in (("a.tsv", "legal", 3), ("b.tsv", None, 2), ("c.tsv", "legal", 4)):
        builders.write(tmp_path / name, builders.pairs(count, seed=count))
        files.append(File(name, str(tmp_path / name), slice=part))
    builders.write(tmp_path / "train.tsv", builders.pairs(50))
    train = (File("train.tsv", str(tmp_path / "train.tsv")),)
    corpus = data.prepare(Files(train, (), tuple(files)), LENIENT, 24, 1, tmp_path)
    assert corpus.test.slices == {"legal": 7, "": 2}


@settings(max_examples=30)
@given(st.data())
def test_the_corpus_is_the_same_however_it_is_read_in_blocks(given_data: st.DataObject) -> None:
    rows = given_data.draw(st.lists(st.sampled_from(ROWS), min_size=30, max_size=120))
    cut = given_data.draw(st.integers(0, len(rows)))
    found = []
    for chunk in (given_data.draw(st.integers(1, 50)), 8192):
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
            patched.setattr(spool, "_CHUNK", chunk)
            patched.setattr(data, "_BLOCK", chunk)
            patched.setattr(duplicates, "_PART", chunk)
            files = []
            for name, part in (("a.tsv", rows[:cut] + ROWS[:1]), ("b.tsv", rows[cut:] + ROWS[1:2])):
                path = builders.write(Path(folder) / name, part)
                files.append(File(name, str(path)))
            (Path(folder) / "work").mkdir()
            corpus = data.prepare(Files(tuple(files)), LENIENT, 24, 1, Path(folder) / "work")
            found.append((corpus.digest, corpus.train.read_text(), corpus.counts))
            document = corpus.statistics.document(corpus.where)
            found[-1] += (document,)
    assert found[0] == found[1]
    kept = found[0][1].splitlines()
    assert len(kept) == len(set(kept))
    assert found[0][3]["pairs"] == len(kept)


def test_validation_is_held_out_by_source_and_always_the_same(tmp_path: Path) -> None:
    doubled = GOOD + b"".join(
        line.rstrip(b"\n") + b" denove\n" for line in GOOD.splitlines(keepends=True)
    )
    first = prepare(tmp_path, doubled)
    kept, held = first.train.read_text(), first.validation.read_text()
    assert not {line.split("\t")[0] for line in kept.splitlines()} & {
        line.split("\t")[0] for line in held.splitlines()
    }
    assert first.validation_pairs >= 20
    assert prepare(tmp_path, doubled).digest == first.digest


def test_validation_files_are_used_as_they_are(tmp_path: Path) -> None:
    corpus = prepare(tmp_path, GOOD, validation=b"one two three\tunu du tri\n")
    assert (corpus.pairs, corpus.validation_pairs) == (100, 1)


def test_validation_files_without_a_usable_pair_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no usable pair in the validation files"):
        prepare(tmp_path, GOOD, validation=b"\t\n")


def test_the_digest_depends_on_text_and_not_on_file_names(tmp_path: Path) -> None:
    one = prepare(tmp_path, GOOD).digest
    assert prepare(tmp_path, GOOD, name="other.tsv").digest == one
    assert prepare(tmp_path, GOOD + b"nine nine\tna\xc5\xad na\xc5\xad\n").digest != one
