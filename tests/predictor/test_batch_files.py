"""Bulk inference: every format and packing, lines that hold nothing, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.predictor.bulk import answer, bulk, surroundings, written

from mt_contract.errors import ConfigurationError, DataError, ProgramError
from mt_corpus.lines import MAX_LINE
from mt_corpus.rows import Broken, Row
from mt_predictor.bulk.plan import plan
from mt_predictor.bulk.progress import Progress, bar, sentence, span
from mt_predictor.bulk.windows import Line, windows

TEXTS = [f"frase {number} {'x' * (number % 7)}" for number in range(50)]


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill of the process loses nothing that was written: only one of the machine would."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def plain(texts: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def tsv(texts: list[str]) -> bytes:
    return "".join(f"{text}\tsomething\tmore\n" for text in texts).encode()


def jsonl(texts: list[str], field: str = "source") -> bytes:
    return "".join(json.dumps({"id": 1, field: text}) + "\n" for text in texts).encode()


def table(texts: list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"id": range(len(texts)), "source": texts}), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("source", "out", "write"),
    [
        pytest.param("in.txt", "out.txt", plain, id="lines"),
        pytest.param("in", "out", plain, id="no ending"),
        pytest.param("in.txt.gz", "out.txt", lambda t: gzip.compress(plain(t)), id="gzip in"),
        pytest.param("in.txt.zst", "out.txt.gz", lambda t: zstd(plain(t)), id="zstd in, gzip out"),
        pytest.param("in.txt", "out.txt.zst", plain, id="zstd out"),
        pytest.param("in.txt", "out", lambda t: plain(t)[:-1], id="no last line end"),
        pytest.param("in.txt", "out", lambda t: plain(t).replace(b"\n", b"\r\n"), id="windows"),
        pytest.param("in.tsv", "out.jsonl", tsv, id="tsv"),
        pytest.param("in.tsv.gz", "out.jsonl.gz", lambda t: gzip.compress(tsv(t)), id="tsv.gz"),
        pytest.param("in.jsonl", "out.jsonl", jsonl, id="jsonl"),
        pytest.param("in", "out.jsonl", jsonl, id="jsonl by content"),
        pytest.param("in.jsonl.zst", "out.jsonl.zst", lambda t: zstd(jsonl(t)), id="jsonl.zst"),
        pytest.param("in.parquet", "out.parquet", table, id="parquet"),
        pytest.param("in.parquet.gz", "out", lambda t: gzip.compress(table(t)), id="parquet.gz"),
    ],
)
def test_a_line_out_for_each_line_in(
    tmp_path: Path, source: str, out: str, write: Callable[[list[str]], bytes]
) -> None:
    (tmp_path / source).write_bytes(write(TEXTS))
    summary = bulk(tmp_path / source, tmp_path / out)
    rows = written(tmp_path / out, summary["format"] == "Parquet")
    if summary["format"] == "Lines":
        assert rows == [answer(text) for text in TEXTS]
    else:
        assert [row["source"] for row in rows] == TEXTS
        assert [row["translation"] for row in rows] == [answer(text) for text in TEXTS]
        assert all(row["score"] < 0 for row in rows)
    assert (summary["lines"], summary["failed"], summary["empty"]) == (50, 0, 0)
    assert summary["sourceTokens"] == summary["targetTokens"] == sum(len(t.split()) for t in TEXTS)
    assert not (tmp_path / f"{out}.parts").exists()
    assert json.loads((tmp_path / f"{out}.summary.json").read_text()) == summary


FAULTS = [
    pytest.param(b"", "", "", id="empty"),
    pytest.param(b" \t ", "", "", id="blank"),
    pytest.param(b"x" * (MAX_LINE + 1), None, "longer than 1,048,576 bytes", id="giant"),
    pytest.param(b"caf\xe9", None, "not UTF-8 at byte 3", id="latin 1"),
    pytest.param(b"refused", None, "a text is refused", id="refused"),
    pytest.param(b"poison", None, "the engine cannot translate it (no such token)", id="engine"),
]


@pytest.mark.parametrize(("line", "text", "why"), FAULTS)
@pytest.mark.parametrize("place", [0, 7, 19], ids=["first", "middle", "last"])
def test_what_cannot_be_translated_shifts_nothing(
    tmp_path: Path, line: bytes, text: str | None, why: str, place: int
) -> None:
    lines = [text.encode() for text in TEXTS[:19]]
    lines.insert(place, line)
    (tmp_path / "in.txt").write_bytes(b"".join(one + b"\n" for one in lines))
    summary = bulk(tmp_path / "in.txt", tmp_path / "out.txt")
    expected = [answer(text) for text in TEXTS[:19]]
    expected.insert(place, "")
    assert written(tmp_path / "out.txt") == expected
    assert (summary["lines"], summary["failed"]) == (20, int(text is None))
    assert summary["empty"] == int(text is not None)
    named = [(one["line"], one["why"]) for one in summary["failures"]]
    assert [(number, told[: len(why)]) for number, told in named] == (
        [(place + 1, why)] if why else []
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        pytest.param('{"source": 3}', "'source' is a number, not text", id="number"),
        pytest.param('{"other": "x"}', "no key 'source' but 'other'", id="another key"),
        pytest.param("{", "not JSON", id="no JSON"),
        pytest.param('{"source": "\\ud800"}', "'source' holds half of a surrogate pair", id="half"),
    ],
)
def test_a_bad_row_says_what_is_wrong_with_it(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(TEXTS[:4]) + line.encode() + b"\n" + jsonl(["last"]))
    summary = bulk(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    rows = written(tmp_path / "out.jsonl")
    assert [row["translation"] for row in rows] == [*map(answer, TEXTS[:4]), "", "<LAST>"]
    assert rows[4]["error"].startswith(why)
    assert [row for row in rows if "error" in row] == [rows[4]]
    assert summary["failures"] == [{"line": 5, "why": rows[4]["error"]}]


def test_null_is_an_empty_text_in_parquet(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": ["a", None, "refused"]}), tmp_path / "in.parquet")
    summary = bulk(tmp_path / "in.parquet", tmp_path / "out.parquet", field="text")
    rows = written(tmp_path / "out.parquet")
    assert [row["translation"] for row in rows] == ["<A>", "", ""]
    assert [row["error"] for row in rows] == [None, None, "a text is refused: send another"]
    assert (summary["empty"], summary["failed"]) == (1, 1)


def test_only_some_failures_are_named_and_all_are_counted(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(plain(["refused"] * 70))
    summary = bulk(tmp_path / "in", tmp_path / "out")
    assert summary["failed"] == 70
    assert [one["line"] for one in summary["failures"]] == list(range(1, 21))


def test_a_line_stays_a_line_whatever_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\u2028b\x85c\vd\n e \n", encoding="utf-8")
    bulk(tmp_path / "in", tmp_path / "out")
    assert written(tmp_path / "out") == ["<A B C D>", "< E >"]


@pytest.mark.parametrize(
    ("source", "data", "out", "told", "message"),
    [
        pytest.param("in.txt", b"", "out", {}, "is empty", id="empty"),
        pytest.param("in.csv", b"a,b\n", "out", {}, "convert it", id="another format"),
        pytest.param("in.gz", b"a\n", "out", {}, "is not gzip", id="not packed"),
        pytest.param(
            "in.txt.gz", gzip.compress(plain(TEXTS))[:-9], "out", {}, "cut off", id="cut off"
        ),
        pytest.param(
            "in.jsonl",
            jsonl(["a"], "pt"),
            "out.jsonl",
            {},
            r"1 of 1 lines hold none.*no key 'source' but",
            id="no such key",
        ),
        pytest.param(
            "in.parquet",
            table(["a"]),
            "out.parquet",
            {"field": "pt"},
            "no column 'pt'",
            id="no such column",
        ),
        pytest.param("in.tsv", b"a\n", "out.parquet", {}, "end the name in .jsonl", id="container"),
        pytest.param(
            "in.parquet", table(["a"]), "out.parquet.gz", {}, "which packs itself", id="packed"
        ),
        pytest.param("in.txt", b"a\n", "in.txt", {}, "is an input", id="over the input"),
        pytest.param("in.txt", b"a\n", "there", {}, "nothing says of what", id="not ours"),
    ],
)
def test_what_is_refused_is_refused_at_once(
    tmp_path: Path, source: str, data: bytes, out: str, told: dict[str, Any], message: str
) -> None:
    (tmp_path / source).write_bytes(data)
    (tmp_path / "there").write_text("mine")
    with pytest.raises((ConfigurationError, DataError), match=message):
        bulk(tmp_path / source, tmp_path / out, **told)
    assert (tmp_path / source).read_bytes() == data
    assert (tmp_path / "there").read_text() == "mine"
    assert not list(tmp_path.glob("*.parts/*.part"))


def test_object_stores_are_read_and_not_written() -> None:
    with pytest.raises(ProgramError, match=r"copy them to s3:// afterwards"):
        plan(["x"], "s3://bucket/key", "Auto", "source", {})


def test_several_inputs_become_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(tsv(["x"])))
    (tmp_path / "b.txt").write_bytes(plain(["x"]))
    (tmp_path / "c.parquet").write_bytes(table(["x"]))
    inputs = [str(tmp_path / name) for name in ("a.tsv.gz", "b.txt", "c.parquet")]
    works = plan(inputs, str(tmp_path / "out"), "Auto", "source", {})
    assert [work.out.name for work in works] == ["a.jsonl.gz", "b.txt", "c.parquet"]
    assert {work.out.parent for work in works} == {tmp_path / "out"}
    (tmp_path / "else").mkdir()
    (tmp_path / "else/b.txt").write_bytes(plain(["y"]))
    with pytest.raises(ConfigurationError, match="more than one input would be written"):
        plan([*inputs, str(tmp_path / "else/b.txt")], str(tmp_path), "Auto", "source", {})


def test_claims_are_found_where_they_are_mounted(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("x\n")
    [work] = plan(
        ["pvc://texts/a.txt"], "pvc://texts/out.txt", "Auto", "source",
        {"MT_CLAIM_ROOT": str(tmp_path)},
    )  # fmt: skip
    assert (work.name, work.out) == ("pvc://texts/a.txt", tmp_path / "texts/out.txt")


def test_a_signed_url_is_kept_nowhere(tmp_path: Path) -> None:
    from mt_corpus.files import File
    from mt_predictor.bulk.container import Container
    from mt_predictor.bulk.plan import Work

    work = Work(File("https://h/a.txt?token=x", ""), tmp_path, Container("Lines"))
    assert work.name == "https://h/a.txt"


def test_windows_end_with_the_line_that_fills_them() -> None:
    texts = ("abcd", None, "abcd", "x" * 99, "")
    rows = [
        Broken(number, "why") if text is None else Row(number, text, "")
        for number, text in enumerate(texts, 1)
    ]
    found = list(windows(rows, 10))
    assert [[line.number for line in window] for window in found] == [[1, 2, 3], [4], [5]]
    assert found[0][1] == Line(2, "", "why")


def test_parquet_is_joined_in_larger_row_groups(tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_bytes(table(TEXTS))
    bulk(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert parquet.ParquetFile(tmp_path / "out.parquet").num_row_groups == 1


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(bar(0, 10), "─" * 24, id="nothing drawn"),
        pytest.param(bar(5, 10), "━" * 12 + "─" * 12, id="half drawn"),
        pytest.param(sentence("a", 0, 9, 0, 0.0), "a: 0 of 9 lines (0 %)", id="begin"),
        pytest.param(
            sentence("a", 50, 200, 10, 2.0),
            "a: 50 of 200 lines (25 %), 5 lines/s, 30 s left",
            id="rate of this attempt",
        ),
        pytest.param(sentence("a", 9, 9, 9, 3.0), "a: 9 of 9 lines (100 %), 3 lines/s", id="end"),
        pytest.param(span(59.4), "59 s", id="seconds"),
        pytest.param(span(61), "1 min 1 s", id="minutes"),
        pytest.param(span(3 * 3600 + 125), "3 h 2 min", id="hours"),
        pytest.param(span(2 * 86400 + 3700), "2 d 1 h", id="days"),
    ],
)
def test_progress_in_words(found: str, expected: str) -> None:
    assert found == expected


def test_windows_of_any_size_write_the_same(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(plain([*TEXTS, "refused", "poison", ""]))
    for size in (1, 40, 10_000):
        bulk(tmp_path / "in", tmp_path / f"out{size}", around=surroundings(size=size))
    found = {(tmp_path / f"out{size}").read_bytes() for size in (1, 40, 10_000)}
    assert len(found) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_over_itself_on_a_terminal() -> None:
    stream, times = Terminal(), iter([0.0, 0.0, 1.0, 2.0])
    progress = Progress("a.txt", 8, 2, stream, lambda: next(times))
    progress.tell(5)
    progress.tell(8)
    *drawn, last = stream.getvalue().split("\r\x1b[2K")[1:]
    assert [text.split(" a.txt: ")[1] for text in drawn] == [
        "2 of 8 lines (25 %)",
        "5 of 8 lines (62 %), 3 lines/s, 1 s left",
    ]
    assert last == f"{'━' * 24} a.txt: 8 of 8 lines (100 %), 3 lines/s\n"


def test_progress_is_a_line_now_and_then_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    times = iter([0.0, 0.0, 4.0, 12.0, 13.0, 14.0])
    progress = Progress("a.txt", 8, 0, io.StringIO(), lambda: next(times))
    for lines in (2, 4, 6, 8):
        progress.tell(lines)
    told = [record.getMessage().split(" of ")[0] for record in caplog.records]
    assert told == ["a.txt: 0", "a.txt: 4", "a.txt: 8"]
