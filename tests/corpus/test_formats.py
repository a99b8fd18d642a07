"""What is written in any format, and packed in any way, is read back; in little memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus.tables import table, zst

from mt_contract.errors import ConfigurationError, DataError
from mt_corpus.files import File
from mt_corpus.packing import BLOCK
from mt_corpus.reading import check_name, read_rows
from mt_corpus.rows import Broken, Row

Pairs = list[tuple[str, str]]
PACKINGS: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zst}

# What can stand in a line: no line end, no separator, no NUL; whatever else Unicode has.
SIDES = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0\t\n\r"), min_size=1
).filter(str.strip)
PAIRS = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=9)


def as_jsonl(pairs: Pairs) -> bytes:
    return "".join(json.dumps({"source": a, "target": b}) + "\n" for a, b in pairs).encode()


def as_table(pairs: Pairs) -> bytes:
    return table(source=[a for a, _ in pairs], target=[b for _, b in pairs])


def as_tsv(pairs: Pairs) -> bytes:
    return "".join(f"{a}\t{b}\n" for a, b in pairs).encode()


WRITERS = {"TSV": as_tsv, "JSONL": as_jsonl, "Parquet": as_table}


@pytest.mark.parametrize("kind", WRITERS)
@given(pairs=PAIRS, packing=st.sampled_from(sorted(PACKINGS)))
def test_what_is_written_is_read(kind: str, packing: str, pairs: Pairs) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"train{packing}"
        path.write_bytes(PACKINGS[packing](WRITERS[kind](pairs)))
        rows = list(read_rows(File("train", str(path), format=kind, slice="s")))
    marked = "\ufeff" if kind == "TSV" else ""  # at the beginning it marks the encoding
    first = (pairs[0][0].removeprefix(marked), pairs[0][1])
    assert rows == [
        Row(n, source, target, "s") for n, (source, target) in enumerate([first, *pairs[1:]], 1)
    ]


@given(pairs=PAIRS)
def test_two_line_aligned_files_are_read(pairs: Pairs) -> None:
    with TemporaryDirectory() as folder:
        names = [str(Path(folder) / side) for side in ("a", "b.gz")]
        sides = ["\ufeff" + "".join(f"{pair[n]}\n" for pair in pairs) for n in range(2)]
        Path(names[0]).write_text(sides[0], encoding="utf-8")
        Path(names[1]).write_bytes(gzip.compress(sides[1].encode()))
        rows = list(read_rows(File("train", names[0], names[1], "Parallel")))
    assert rows == [Row(n, *pair) for n, pair in enumerate(pairs, 1)]


@given(
    data=st.binary(max_size=400),
    name=st.sampled_from(["t", "t.gz", "t.zst", "t.jsonl", "t.parquet", "t.tsv"]),
    magic=st.sampled_from(
        [b"", b"PAR1", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"{", b"\xef\xbb\xbf"]
    ),
)
def test_no_content_is_more_than_bad_data(data: bytes, name: str, magic: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(magic + data)
        with suppress(DataError):
            for row in read_rows(File(name, str(Path(folder) / name))):
                assert isinstance(row, Row | Broken)


def lines(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield f"a sentence with the number {number}\tuma frase com o número {number}\n".encode()


@pytest.mark.slow
@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, packing: str) -> None:
    path = tmp_path / f"train.tsv{packing}"
    content = b"".join(lines(400_000))
    path.write_bytes(PACKINGS[packing](content))
    assert len(content) > 20 * BLOCK
    file = File("train.tsv", str(path))
    sum(1 for _ in read_rows(File("x", str(small(tmp_path)))))  # whatever is imported
    tracemalloc.start()
    count = sum(1 for _ in read_rows(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 400_000
    assert peak < 12 * BLOCK


def small(folder: Path) -> Path:
    (folder / "small.tsv.zst").write_bytes(zst(b"a\tb\n"))
    return folder / "small.tsv.zst"


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("pvc://c/a.csv", id="CSV"),
        pytest.param("s3://c/a.CSV.gz", id="CSV, packed"),
        pytest.param("https://host/a.xlsx?dl=1", id="a spreadsheet"),
    ],
)
def test_a_name_says_early_that_nothing_reads_it(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="convert it to TSV"):
        check_name(uri)
    check_name(uri, "TSV")  # told to be one: only its name is another


@pytest.mark.parametrize("uri", ["a.tsv.gz", "a.txt", "a", "hf://datasets/a.b/c/d.jsonl.zst"])
def test_other_names_say_nothing(uri: str) -> None:
    check_name(uri)


def test_parallel_needs_two_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("um\n")
    with pytest.raises(ConfigurationError, match="needs targetUri"):
        list(read_rows(File("a", str(tmp_path / "a"), format="Parallel")))
