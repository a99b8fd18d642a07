"""Bulk inference that is killed anywhere, begun again, and asked for something else meanwhile."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from tests.predictor.bulk import answer, bulk, surroundings, written

from mt_contract import storage
from mt_contract.errors import ConfigurationError, StorageError
from mt_corpus.steady import Stamp
from mt_predictor.bulk.stopping import Stop

TEXTS = [f"frase {number} {'x' * (number % 7)}" for number in range(20)]
LINES = "".join(f"{text}\n" for text in [*TEXTS[:10], "", "refused", *TEXTS[10:]]).encode()


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill of the process loses nothing that was written: only one of the machine would."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class KilledError(BaseException):
    """The process is gone: nothing may catch it."""


@contextmanager
def killed_at(write: int, torn: bool) -> Iterator[None]:
    """Kill at a write, counted from 0: before anything, or (torn) with half of it beside."""
    whole, count = storage.write_aside, 0

    def sabotaged(path: Path, data: Any) -> None:
        nonlocal count
        count += 1
        if count <= write:
            return whole(path, data)
        if torn:
            text = data if isinstance(data, bytes) else b"".join(data)
            path.with_name(f".{path.name}.aside").write_bytes(text[: len(text) // 2])
        raise KilledError

    storage.write_aside = sabotaged
    try:
        yield
    except KilledError:
        pass
    finally:
        storage.write_aside = whole


def unbroken(folder: Path, name: str, data: bytes) -> bytes:
    (folder / name).write_bytes(data)
    bulk(folder / name, folder / f"whole-{name}")
    return (folder / f"whole-{name}").read_bytes()


@pytest.mark.parametrize("torn", [False, True], ids=["between writes", "in mid-write"])
def test_killed_at_every_write(tmp_path: Path, torn: bool) -> None:
    expected = unbroken(tmp_path, "in", LINES)
    writes = 0
    while True:
        out = tmp_path / f"out{writes}"
        with killed_at(writes, torn):
            bulk(tmp_path / "in", out)
            break  # there are no more writes to be killed at
        assert not out.exists() or out.read_bytes() == expected
        summary = bulk(tmp_path / "in", out)
        assert out.read_bytes() == expected
        assert (summary["lines"], summary["empty"], summary["failed"]) == (22, 1, 1)
        assert summary["failures"] == [{"line": 12, "why": "a text is refused: send another"}]
        assert not Path(f"{out}.parts").exists()
        writes += 1
    assert writes > 10  # a part takes two


@settings(max_examples=15, deadline=None)
@given(kills=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=8))
def test_any_kills_leave_the_same_bytes(kills: list[tuple[int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = unbroken(folder, "in.txt.gz", gzip.compress(LINES))
        for write, torn in kills:
            with killed_at(write, torn):
                bulk(folder / "in.txt.gz", folder / "out.txt.gz")
        summary = bulk(folder / "in.txt.gz", folder / "out.txt.gz")
        assert (folder / "out.txt.gz").read_bytes() == expected
        assert summary["lines"] == 22


def test_killed_parquet_is_joined_to_the_same_bytes(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"source": TEXTS}), tmp_path / "in.parquet")
    expected = unbroken(tmp_path, "in.parquet", (tmp_path / "in.parquet").read_bytes())
    with killed_at(5, torn=True):
        bulk(tmp_path / "in.parquet", tmp_path / "out.parquet")
    bulk(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == expected


class StopsAfter(Stop):
    """A wish to stop that comes while so many windows are taken."""

    def __init__(self, windows: int) -> None:
        super().__init__()
        self.windows = windows

    def until(self, given: Any) -> Any:
        for count, one in enumerate(given):
            if count == self.windows:
                self.code = 143
                return
            yield one


@pytest.mark.parametrize("windows", [0, 1, 2, 3])
def test_a_wish_to_stop_keeps_what_is_under_way(tmp_path: Path, windows: int) -> None:
    expected = unbroken(tmp_path, "in", LINES)
    with pytest.raises(SystemExit) as stopped:
        bulk(tmp_path / "in", tmp_path / "out", around=surroundings(stop=StopsAfter(windows)))
    assert stopped.value.code == 143
    assert len(list((tmp_path / "out.parts").glob("*.part"))) == windows
    assert not (tmp_path / "out").exists()
    bulk(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == expected


def begun(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "in").write_bytes(LINES)
    with killed_at(6, torn=False):
        bulk(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out.parts/00000001.json").exists()
    return tmp_path / "in", tmp_path / "out"


def longer(source: Path) -> None:
    source.write_bytes(LINES + b"more\n")


def touched(source: Path) -> None:
    os.utime(source, ns=(1, 1))


@pytest.mark.parametrize(
    ("change", "told", "message"),
    [
        pytest.param(longer, {}, "inputSize was ", id="a longer input"),
        pytest.param(touched, {}, "inputVersion was ", id="written again"),
        pytest.param(None, {"model": "sha256:2"}, 'model was "sha256:1" and is', id="model"),
        pytest.param(None, {"beamSize": 1}, "beamSize was 4 and is 1", id="beam"),
        pytest.param(None, {"text_format": "TSV"}, 'format was "Lines" and is "TSV"', id="format"),
    ],
)
@pytest.mark.parametrize("is_done", [False, True], ids=["begun", "done"])
def test_something_else_is_not_gone_on_with(
    tmp_path: Path,
    change: Callable[[Path], None] | None,
    told: dict[str, Any],
    message: str,
    is_done: bool,
) -> None:
    source, out = begun(tmp_path)
    if is_done:
        bulk(source, out)
    if change:
        change(source)
    with pytest.raises(ConfigurationError, match=message):
        bulk(source, out, **told)
    summary = bulk(source, out, around=surroundings(fresh=""), **told)
    assert summary["lines"] == source.read_bytes().count(b"\n")
    bulk(source, out, **told)  # now it is what was begun


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(LINES)
    first = bulk(tmp_path / "in", tmp_path / "out")
    before = (tmp_path / "out").stat().st_mtime_ns
    assert bulk(tmp_path / "in", tmp_path / "out") == first
    assert (tmp_path / "out").stat().st_mtime_ns == before


def test_a_word_begins_anew_once(tmp_path: Path) -> None:
    source, out = begun(tmp_path)
    stayed = []
    for word in ("job-1", "job-1", "job-2"):
        mark = tmp_path / "out.parts/mark"  # goes with all that is thrown away
        mark.touch()
        with killed_at(6, torn=False):
            bulk(source, out, around=surroundings(fresh=word))
        stayed.append(mark.exists())
    assert stayed == [False, True, False]
    assert bulk(source, out, around=surroundings(fresh="job-2"))["fresh"] == "job-2"


@pytest.mark.parametrize("name", ["00000001.part", "00000001.json"])
def test_parts_behind_a_lost_one_are_made_again(tmp_path: Path, name: str) -> None:
    expected = unbroken(tmp_path, "in", LINES)
    source, out = begun(tmp_path)
    (tmp_path / "out.parts" / name).unlink()
    bulk(source, out)
    assert out.read_bytes() == expected


def test_parts_of_another_run_are_never_taken_for_ones_own(tmp_path: Path) -> None:
    source, out = begun(tmp_path)
    shutil.copytree(tmp_path / "out.parts", tmp_path / "kept")
    (tmp_path / "out.parts/made-of.json").unlink()  # killed while it was removed
    bulk(source, out, model="sha256:2", around=surroundings(size=60))
    assert written(out)[0] == answer(TEXTS[0])
    assert len(written(out)) == 22


def test_where_a_server_tells_no_version_the_text_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mt_corpus.places.stamp", lambda *_: Stamp(None, ""))
    source, out = begun(tmp_path)
    expected = unbroken(tmp_path, "in", LINES)
    source.write_bytes(LINES.replace(b"frase 7", b"frase 8"))
    with pytest.raises(ConfigurationError, match="text was"):
        bulk(source, out)
    source.write_bytes(LINES)
    bulk(source, out)
    assert out.read_bytes() == expected


def test_an_input_that_shrinks_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mt_corpus.places.stamp", lambda *_: Stamp(1, "same"))
    source, out = begun(tmp_path)
    source.write_bytes(LINES[:200])
    with pytest.raises(StorageError, match="fewer lines than it had"):
        bulk(source, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("patient", "signals", "ended"),
    [
        pytest.param(True, 1, None, id="a wish"),
        pytest.param(False, 1, "exit 143", id="before and after"),
        pytest.param(True, 2, "at once 143", id="twice"),
    ],
)
def test_signals(
    monkeypatch: pytest.MonkeyPatch, patient: bool, signals: int, ended: str | None
) -> None:
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)

    def at_once(code: int) -> None:
        raise SystemExit(f"at once {code}")

    monkeypatch.setattr(os, "_exit", at_once)
    stop = Stop(patient=patient)
    stop.install()
    assert set(handlers) == {signal.SIGTERM, signal.SIGINT}
    found = None
    try:
        for _ in range(signals):
            handlers[signal.SIGTERM](signal.SIGTERM, None)
    except SystemExit as error:
        found = error.code if isinstance(error.code, str) else f"exit {error.code}"
    assert found == ended
    assert stop.code == 143
    assert list(stop.until([1, 2])) == []
