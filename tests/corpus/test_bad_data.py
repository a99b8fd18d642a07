"""Every kind of bad file or row that is known: read all the same, counted, or refused, and why."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.corpus.tables import table, zst

from mt_contract.errors import DataError
from mt_contract.resource import Fields
from mt_corpus.files import File
from mt_corpus.reading import read_rows
from mt_corpus.rows import Broken, Row

GOOD = "".join(f"frase {n}\tsentence {n}\n" for n in range(8))
AFTER = 9  # the line after the good ones


@dataclass(frozen=True)
class Outcome:
    """What became of a file: rows kept, what was broken, what was repaired, or its refusal."""

    kept: int = 0
    broken: tuple[tuple[int, str], ...] = ()
    repaired: tuple[int, ...] = ()
    refused: str = ""


def outcome(file: File) -> Outcome:
    rows: list[Row | Broken] = []
    refused = ""
    try:
        rows.extend(read_rows(file))
    except DataError as error:  # bad data is never a failure of ours or of the storage
        refused = str(error)
    pairs = [row for row in rows if isinstance(row, Row)]
    return Outcome(
        kept=sum(bool(row.source.strip() and row.target.strip()) for row in pairs),
        broken=tuple((row.line, row.why) for row in rows if isinstance(row, Broken)),
        repaired=tuple(row.line for row in pairs if row.repaired),
        refused=refused,
    )


def zipped(data: str) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train.tsv", data)
    return file.getvalue()


def jsonl(*lines: str) -> bytes:
    good = [json.dumps({"source": f"frase {n}", "target": f"sentence {n}"}) for n in range(8)]
    return "\n".join([*good, *lines]).encode() + b"\n"


def sides(count: int = 8) -> dict[str, Any]:
    return {
        "source": [f"frase {n}" for n in range(count)],
        "target": [f"sentence {n}" for n in range(count)],
    }


def case(
    kind: str,
    data: bytes | str,
    *,
    kept: int = 8,
    broken: Iterable[tuple[int, str]] = (),
    repaired: tuple[int, ...] = (),
    refused: str = "",
    name: str = "train.tsv",
    data_format: str = "Auto",
) -> Any:
    """A kind of bad data: what is in the file, and what must come of it.

    Reasons and refusals are fragments. The test set of a file is its good rows.
    """
    content = data.encode() if isinstance(data, str) else data
    expected = Outcome(kept, tuple(broken), repaired, refused)
    return pytest.param(name, content, data_format, expected, id=kind)


ENCODINGS = [
    case("UTF-8 with a byte order mark", GOOD.encode("utf-8-sig")),
    case("UTF-16, little end first", GOOD.encode("utf-16"), kept=0, refused="is UTF-16"),
    case(
        "UTF-16, big end first",
        b"\xfe\xff" + GOOD.encode("utf-16-be"),
        kept=0,
        refused="iconv -f UTF-16",
    ),
    case("UTF-16 without a mark", GOOD.encode("utf-16-le"), kept=0, refused="line 1: holds NUL"),
    case("a Latin-1 line", GOOD.encode() + "ação\taction\n".encode("latin-1"),
         broken=[(AFTER, "not UTF-8 at byte 1")]),
    case("a byte that no text has", GOOD.encode() + b"a\xff\tb\n" + b"c\td\n", kept=9,
         broken=[(AFTER, "not UTF-8 at byte 1")]),
    case("half a character at the end of the file", GOOD.encode() + "a\té".encode()[:-1],
         broken=[(AFTER, "not UTF-8 at byte 2")]),
    case("a NUL in the beginning", "a\0\tb\n" + GOOD, kept=0, refused="line 1: holds NUL bytes"),
    case("a NUL far behind", GOOD * 600 + "a\0\tb\n", kept=4800,
         broken=[(4801, "holds NUL bytes")]),
]  # fmt: skip

LINES = [
    case("line ends of Windows", GOOD.replace("\n", "\r\n")),
    case("line ends of old Macs", GOOD.replace("\n", "\r"), kept=0, refused="with CR alone"),
    case("CR inside a line", GOOD + "a\rb\tc\n", kept=9),
    case("a line separator of Unicode inside a line", GOOD + "a\u2028b\tc\u2029d\n", kept=9),
    case("a NEL inside a line", GOOD + "a\u0085b\tc\n", kept=9),
    case("no line end at the end", GOOD.rstrip("\n")),
    case("blank lines", GOOD + "\n \n"),
    case("a giant line", GOOD + "x" * (1 << 20) + "\ty\n" + "c\td\n", kept=9,
         broken=[(AFTER, "longer than 1,048,576 bytes")]),
    case("one endless line", b"x" * (5 << 20), kept=0, broken=[(1, "longer than")]),
]  # fmt: skip

COLUMNS = [
    case("commas instead of tabs", GOOD + "um,one\n", broken=[(AFTER, "separated by commas?")]),
    case("semicolons instead of tabs", GOOD + "um;one\n", broken=[(AFTER, "by semicolons?")]),
    case("bars instead of tabs", GOOD + "um|one\n", broken=[(AFTER, "separated by bars?")]),
    case("spaces instead of tabs", GOOD + "um   one\n", broken=[(AFTER, "separated by spaces?")]),
    case("one column", GOOD + "only this\n", broken=[(AFTER, "1 columns instead of 2 (source")]),
    case("three columns", GOOD + "a\tb\tc\n", broken=[(AFTER, "3 columns instead of 2")]),
    case("a tab too many at the end", GOOD + "a\tb\t\n", kept=9, repaired=(AFTER,)),
    case("an empty source", GOOD + "\tb\n"),
    case("an empty target", GOOD + "a\t\n"),
    case("sides of white space", GOOD + " \u00a0\t\u3000\n"),
    case("a header", "source\ttarget\n" + GOOD, kept=9),
    case("the same row twice", GOOD + GOOD, kept=16),  # counted where pairs are judged
]  # fmt: skip

UNICODE = [
    case("control characters", GOOD + "a\x07b\tc\x1b[0m\n", kept=9),
    case("zero width space and mark of direction", GOOD + "a\u200bb\t\u200fc\n", kept=9),
    case("decomposed accents", GOOD + "ac\u0327a\u0303o\taction\n", kept=9),
    case("private use", GOOD + "\ue000\tx\n", kept=9),
    case("emoji joined to one", GOOD + "👩\u200d💻\tx\n", kept=9),
]

PACKED = [
    case("gzip in two parts", gzip.compress(GOOD.encode()) * 2, kept=16, name="train.tsv.gz"),
    case("gzip, whatever its name", gzip.compress(GOOD.encode())),
    case("gzip that is cut off", gzip.compress(GOOD.encode())[:-9], kept=0, refused="in the middle",
         name="train.tsv.gz"),
    case("gzip with something behind", gzip.compress(GOOD.encode()) + b"<html>", kept=0,
         refused="damaged gzip", name="train.tsv.gz"),
    case("gzip with a wrong sum", gzip.compress(GOOD.encode())[:-8] + bytes(8), kept=0,
         refused="damaged gzip", name="train.tsv.gz"),
    case("named .gz, but is not", GOOD, kept=0, refused="but is not gzip", name="train.tsv.gz"),
    case("packed twice", gzip.compress(gzip.compress(GOOD.encode())), kept=0, refused="twice"),
    case("zstd in two parts", zst(GOOD.encode()) * 2, kept=16, name="train.tsv.zst"),
    case("zstd that is cut off", zst(GOOD.encode())[:-5], kept=0, refused="ends in the middle",
         name="train.tsv.zst"),
    case("zstd with something behind", zst(GOOD.encode()) + b"<html>", kept=0,
         refused="damaged zstd", name="train.tsv.zst"),
    case("named .zst, but is not", GOOD, kept=0, refused="is not zstd", name="train.tsv.zst"),
]  # fmt: skip

OTHER_FILES = [
    case("nothing", b"", kept=0, refused="is empty"),
    case("nothing, packed", gzip.compress(b""), kept=0, refused="is empty", name="train.tsv.gz"),
    case("a zip archive", zipped(GOOD), kept=0, refused="zip archive or a spreadsheet"),
    case("bzip2", b"BZh91AY&SY", kept=0, refused="bzip2"),
    case("xz", b"\xfd7zXZ\0", kept=0, refused="xz"),
    case("a tar archive", b"a.tsv".ljust(257, b"\0") + b"ustar\0", kept=0, refused="tar archive"),
    case("a PDF", b"%PDF-1.7", kept=0, refused="PDF"),
    case("a login page", "<!DOCTYPE html>\n<html>Sign in</html>", kept=0, refused="a web page"),
    case("a page without a doctype", " <HTML><body>404</body></HTML>", kept=0, refused="web page"),
    case("XML", '<?xml version="1.0"?><tmx/>', kept=0, refused="XML"),
    case("random bytes", bytes(range(256)) * 4, kept=0, refused="binary file"),
    case("a pointer of Git LFS",
         "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", kept=0,
         refused="git lfs pull"),
]  # fmt: skip

JSON_LINES = [
    case("JSON with the wrong keys", jsonl('{"pt": "a", "en": "b"}'), name="t.jsonl",
         broken=[(AFTER, "no key 'source' but 'pt', 'en'")]),
    case("JSON null", jsonl('{"source": null, "target": "b"}'), name="t.jsonl"),
    case("a JSON number", jsonl('{"source": 5, "target": "b"}'), name="t.jsonl",
         broken=[(AFTER, "'source' is a number, not text")]),
    case("a JSON list", jsonl('{"source": ["a"], "target": "b"}'), name="t.jsonl",
         broken=[(AFTER, "'source' is a list, not text")]),
    case("nested JSON", jsonl('{"source": {"text": "a"}, "target": "b"}'), name="t.jsonl",
         broken=[(AFTER, "'source' is an object, not text")]),
    case("a JSON key twice", jsonl('{"source": "a", "source": "c", "target": "b"}'),
         name="t.jsonl", broken=[(AFTER, "the key 'source' stands there twice")]),
    case("a comma too many", jsonl('{"source": "a", "target": "b",}'), name="t.jsonl",
         broken=[(AFTER, "not JSON")]),
    case("half a JSON line", jsonl('{"source": "a", "targ'), name="t.jsonl",
         broken=[(AFTER, "not JSON")]),
    case("JSON that is no object", jsonl('["a", "b"]'), name="t.jsonl",
         broken=[(AFTER, "a list instead of an object")]),
    case("endlessly nested JSON", jsonl("[" * 100_000), name="t.jsonl",
         broken=[(AFTER, "recursion")]),
    case("half a surrogate pair", jsonl(r'{"source": "a\ud83d", "target": "b"}'), name="t.jsonl",
         broken=[(AFTER, "half of a surrogate pair")]),
    case("a whole surrogate pair", jsonl(r'{"source": "\ud83d\ude00", "target": "b"}'), kept=9,
         name="t.jsonl"),
    case("line ends inside of a JSON text", jsonl(r'{"source": "a\nb", "target": "c"}'), kept=9,
         name="t.jsonl"),
    case("one big JSON array", json.dumps([{"source": "a", "target": "b"}]), kept=0,
         refused="jq -c '.[]'", name="t.json"),
    case("TSV that is told to be JSONL", GOOD, kept=0, data_format="JSONL",
         broken=[(n + 1, "not JSON") for n in range(8)]),
]  # fmt: skip

PARQUET = [
    case("a table that is cut off", table(**sides())[:-20], kept=0, refused="damaged Parquet",
         name="t.parquet"),
    case("a table with damaged pages", table(**sides(5000))[:200] + bytes(300)
         + table(**sides(5000))[500:], kept=0, refused="damaged Parquet", name="t.parquet"),
    case("a table with other columns", table(pt=["a"], en=["b"]), kept=0,
         refused="no column 'source' but pt, en", name="t.parquet"),
    case("a column of numbers", table(source=[1], target=["b"]), kept=0,
         refused="'source' is int64, not text", name="t.parquet"),
    case("nulls in a table", table(source=["a", None], target=["b", "c"]), kept=1,
         name="t.parquet"),
    case("bytes in a table that are no text", table(source=[b"a", b"\xff"], target=["b", "c"]),
         kept=1, broken=[(2, "not UTF-8 at byte 0")], name="t.parquet"),
    case("a column with a dictionary", table(source=pa.array(["a", "a"]).dictionary_encode(),
         target=["b", "c"]), kept=2, name="t.parquet"),
    case("a table without rows", table(source=pa.array([], "string"),
         target=pa.array([], "string")), kept=0, refused="is empty", name="t.parquet"),
    case("a table without a name", table(**sides()), name="data"),
    case("a table that is packed once more", gzip.compress(table(**sides())), name="t.parquet.gz"),
    case("TSV that is named Parquet", GOOD, kept=0, refused="should be Parquet", name="t.parquet"),
    case("Parquet that is named JSONL", table(**sides()), kept=0, refused="is Parquet",
         name="t.jsonl"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "data_format", "expected"),
    [
        *ENCODINGS,
        *LINES,
        *COLUMNS,
        *UNICODE,
        *PACKED,
        *OTHER_FILES,
        *JSON_LINES,
        *PARQUET,
    ],
)
def test_bad_data(
    tmp_path: Path, name: str, content: bytes, data_format: str, expected: Outcome
) -> None:
    (tmp_path / name).write_bytes(content)
    found = outcome(File(f"pvc://c/{name}", str(tmp_path / name), format=data_format))
    assert (found.kept, found.repaired) == (expected.kept, expected.repaired)
    assert [line for line, _ in found.broken] == [line for line, _ in expected.broken]
    for (_, why), (_, fragment) in zip(found.broken, expected.broken, strict=True):
        assert fragment in why
    assert expected.refused in found.refused
    assert bool(expected.refused) == bool(found.refused)
    assert not found.refused or f"pvc://c/{name}" in found.refused


def a_folder(path: Path) -> None:
    path.mkdir()


def a_loop(path: Path) -> None:
    path.symlink_to(path)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: None, "does not exist", id="nothing"),
        pytest.param(a_folder, "is not a file", id="a folder"),
        pytest.param(a_loop, "a link that leads to itself", id="a link to itself"),
        pytest.param(a_pipe, "is not a file", id="a pipe, which nobody fills"),
        pytest.param(lambda path: path.symlink_to("none"), "does not exist", id="a dead link"),
    ],
)
def test_what_is_no_file_is_refused(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "train.tsv")
    assert message in outcome(File("pvc://c/train.tsv", str(tmp_path / "train.tsv"))).refused


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        pytest.param("um\ndois\n", "one\ntwo\n", Outcome(2), id="as many lines"),
        pytest.param("um\ndois", "one\r\ntwo\r\n", Outcome(2), id="other line ends"),
        pytest.param("um\n\n", "one\ntwo\n", Outcome(1), id="an empty side"),
        pytest.param("um\tdois\n", "one\n", Outcome(1), id="a tab is white space"),
        pytest.param(
            "um\n", "one\ntwo\nthree\n", Outcome(1, refused="has 1 lines, "), id="one is longer"
        ),
        pytest.param("um\n", "", Outcome(refused="is empty"), id="one is empty"),
        pytest.param(
            "um\n", "<html>", Outcome(refused="train.en is a web page"), id="one is a web page"
        ),
    ],
)
def test_two_files_line_by_line(
    tmp_path: Path, source: str, target: str, expected: Outcome
) -> None:
    (tmp_path / "train.pt").write_text(source)
    (tmp_path / "train.en").write_text(target)
    found = outcome(File("train.pt", str(tmp_path / "train.pt"), str(tmp_path / "train.en")))
    assert found.kept == expected.kept
    assert expected.refused in found.refused
    assert bool(expected.refused) == bool(found.refused)


def test_the_side_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"um\ndois\n")
    (tmp_path / "b").write_bytes(b"one\n\xff\n")
    found = outcome(File("pvc://c/a", str(tmp_path / "a"), str(tmp_path / "b")))
    assert found.broken == ((2, f"not UTF-8 at byte 0 (in {tmp_path / 'b'})"),)


NESTED = {"translation": {"pt": "um", "en": "one"}, "domain": "legal"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("t.jsonl", json.dumps(NESTED).encode(), id="JSONL"),
        pytest.param("t.jsonl.zst", zst(json.dumps(NESTED).encode()), id="JSONL, packed"),
        pytest.param(
            "t.parquet", table(**{key: [value] for key, value in NESTED.items()}), id="Parquet"
        ),
    ],
)
def test_columns_are_named_also_inside_of_others(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    fields = Fields("translation.pt", "translation.en", "domain")
    file = File(name, str(tmp_path / name), fields=fields, slice="general")
    assert list(read_rows(file)) == [Row(1, "um", "one", "legal")]
