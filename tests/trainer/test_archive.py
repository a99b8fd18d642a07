"""Archives of models behind URLs: all that people make are read, nothing in one is believed."""

from __future__ import annotations

import io
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus.servers import Page, Site, serving
from tests.corpus.tables import zst
from tests.trainer import engines

from mt_contract import artifact, names, resource
from mt_contract.errors import BadArtifactError, ConfigurationError, ProgramError, StorageError
from mt_corpus import steady
from mt_corpus.steady import Place, Stamp
from mt_trainer import apart, archive, import_config, importing, source_files

FILES = {"model.bin": b"weights", "ctranslate2/config.json": b"{}"}


def tar(
    files: Mapping[str, bytes],
    mode: str = "w",
    form: int = tarfile.PAX_FORMAT,
    **of: object,
) -> bytes:
    """Return an archive of files, each entry changed by ``of``."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=mode, format=form) as whole:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            vars_of = {"size": len(content)} | of
            for key, value in vars_of.items():
                setattr(entry, key, value)
            whole.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def zipped(
    files: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED, mode: int = stat.S_IFREG | 0o644
) -> bytes:
    """Return a zip of files."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", kind) as whole:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            whole.writestr(entry, content, kind)
    return written.getvalue()


def place(content: bytes) -> Place:
    """Return a file that is read from memory."""

    def opened(position: int) -> io.BytesIO:
        file = io.BytesIO(content)
        file.seek(position)
        return file

    uri = "https://host/pt-en?Signature=secret"
    return Place(uri, lambda: Stamp(len(content), ""), opened, (OSError,), lambda _: None)


def unpacked(content: bytes, folder: Path) -> dict[str, bytes]:
    """Return the files of an archive as they were laid down."""
    root = archive.unpack(place(content), folder)
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def below(prefix: str, files: Mapping[str, bytes] = FILES) -> dict[str, bytes]:
    return {prefix + name: content for name, content in files.items()}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(tar(FILES), id="tar"),
        pytest.param(tar(FILES, "w:gz"), id="tar.gz"),
        pytest.param(zst(tar(FILES)), id="tar.zst"),
        pytest.param(zipped(FILES), id="zip"),
        pytest.param(zipped(FILES, zipfile.ZIP_STORED), id="a zip that is not compressed"),
        pytest.param(zipped(FILES, mode=0), id="a zip of DOS"),
        pytest.param(tar(below("./")), id="made with ."),
        pytest.param(tar(below("pt-en/")), id="a folder above"),
        pytest.param(zipped(below("a/b/")), id="two of them"),
        pytest.param(tar(FILES, form=tarfile.GNU_FORMAT), id="GNU's"),
        pytest.param(tar(FILES, form=tarfile.USTAR_FORMAT), id="POSIX's first"),
        pytest.param(
            tar({"./pt-en/._model.bin": b"mac", "pt-en/.DS_Store": b""} | below("pt-en/")),
            id="made on a Mac",
        ),
        pytest.param(
            zipped(below("pt-en/") | {"__MACOSX/pt-en/._model.bin": b"mac"}), id="zipped on a Mac"
        ),
    ],
)
def test_what_people_make_is_read(tmp_path: Path, content: bytes) -> None:
    assert unpacked(content, tmp_path) == FILES


def test_folders_and_long_names_may_stand_in_it(tmp_path: Path) -> None:
    written = io.BytesIO()
    name = f"{'long/' * 25}{'name' * 40}"
    with tarfile.open(fileobj=written, mode="w") as whole:
        for folder in (".", "./saved_model"):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            whole.addfile(entry)
        for one, size in ((f"./{name}", 512), ("./é", 1024), ("./b", 3 << 20)):
            entry = tarfile.TarInfo(one)
            entry.size = size
            whole.addfile(entry, io.BytesIO(bytes(size)))
    found = unpacked(written.getvalue(), tmp_path)
    assert {name: len(content) for name, content in found.items()} == {
        name: 512,
        "é": 1024,
        "b": 3 << 20,
    }


def test_an_archive_of_nothing_holds_nothing(tmp_path: Path) -> None:
    assert unpacked(bytes(10240), tmp_path) == {}


LEADING_ELSEWHERE = ("../evil", "/tmp/evil", "a/../../evil", "a\\..\\evil", "C:\\evil", "a//b")
LINKS = {"symbolic": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}
DEVICES = {"pipe": tarfile.FIFOTYPE, "device": tarfile.CHRTYPE}


def encrypted() -> bytes:
    content = bytearray(zipped(FILES))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


def saying(size: int) -> bytes:
    """Return a file of another size than its header says."""
    entry = tarfile.TarInfo("a")
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT) + bytes(5120)


def pax_bomb() -> bytes:
    """Return a header that says of itself that it is 4 GiB long, packed."""
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 4 << 30
    return tarfile.TarInfo.tobuf(entry, tarfile.GNU_FORMAT) + bytes(4 << 20)


def sparse_bomb() -> bytes:
    """Return a file whose list of holes does not end."""
    entry = tarfile.TarInfo("x")
    entry.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "x",
        "GNU.sparse.realsize": "9",
    }
    holes = b"999999999\n" + b"0\n" * (1 << 20)
    entry.size = len(holes)
    return entry.tobuf(tarfile.PAX_FORMAT) + holes


def damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


LONG = tar({"a": b"x" * 5000, "b": b"y" * 5000})
REFUSED = [
    *(
        pytest.param(make({name: b"x"}), "relative, printable", id=f"{make.__name__} {name}")
        for make in (tar, zipped)
        for name in LEADING_ELSEWHERE
    ),
    *(
        pytest.param(tar({"a": b""}, type=kind, linkname="/etc"), "no plain file", id=f"a {name}")
        for name, kind in (LINKS | DEVICES).items()
    ),
    pytest.param(zipped({"a": b"/etc"}, mode=stat.S_IFLNK), "no plain file", id="a link in a zip"),
    pytest.param(encrypted(), "encrypted", id="encrypted"),
    pytest.param(zipped(FILES, zipfile.ZIP_LZMA), "another way than deflate", id="LZMA in a zip"),
    pytest.param(tar({"a": b"", "a/b": b""}), "'a' twice", id="a file that is a folder"),
    pytest.param(tar({"a": b"1", "./a": b"2"}), "'a' twice", id="the same name twice"),
    pytest.param(tar({f"{n}": b"" for n in range(33)}), "more than 32 files", id="many files"),
    pytest.param(
        zipped({f"{n}": b"" for n in range(33)}), "more than 32 files", id="many in a zip"
    ),
    pytest.param(zipped({f"{n}/": b"" for n in range(65)}), "files and folders", id="many folders"),
    pytest.param(
        zipped({f"{n:01000}": b"" for n in range(1100)}), "more files than", id="a long directory"
    ),
    pytest.param(saying(1 << 40), "more than .* bytes", id="a terabyte"),
    pytest.param(saying(-1024), "more than .* bytes", id="less than nothing"),
    pytest.param(pax_bomb(), "made to do harm", id="a header of 4 GiB"),
    pytest.param(sparse_bomb(), "made to do harm|no plain file", id="holes without end"),
    pytest.param(tar(FILES) + b"more" * (1 << 20), "made to do harm", id="more behind the end"),
    pytest.param(LONG[:5000], "or damaged", id="cut off in a file"),
    pytest.param(LONG[:7000], "or damaged|in the middle", id="cut off between files"),
    pytest.param(damaged(LONG, 5700), "is damaged, or ends", id="a header that is damaged"),
    pytest.param(tar(FILES, "w:gz")[:-9], "ends in the middle", id="gzip that is cut off"),
    pytest.param(damaged(tar(FILES, "w:gz"), 30), "damaged", id="gzip that is damaged"),
    pytest.param(zipped(FILES)[:-30], "ends in the middle", id="a zip that is cut off"),
    pytest.param(
        damaged(zipped({"a": b"x" * 99}, zipfile.ZIP_STORED), 60), "CRC", id="a damaged zip"
    ),
    pytest.param(b"<html>Sign in", "is not a .tar", id="a web page"),
    pytest.param(b"", "is not a .tar", id="nothing"),
    pytest.param(b"Rar!\x1a\x07\1\0" + bytes(600), "is not a .tar", id="another kind of archive"),
]


@pytest.mark.parametrize(("content", "words"), REFUSED)
def test_what_no_model_is_packed_as_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str
) -> None:
    monkeypatch.setattr(source_files, "MOST_FILES", 32)
    with pytest.raises(BadArtifactError, match=words) as told:
        unpacked(content, tmp_path / "scratch")
    assert "secret" not in str(told.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"scratch"}


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda files: tar(files, "w:gz"), id="tar.gz"),
        pytest.param(zipped, id="zip"),
        pytest.param(lambda files: tar({f"._{n}": c for n, c in files.items()}, "w:gz"), id="junk"),
    ],
)
def test_a_bomb_is_refused_by_what_its_headers_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[Mapping[str, bytes]], bytes]
) -> None:
    monkeypatch.setattr(source_files, "MOST_BYTES", 4 << 20)
    bomb = pack({f"{n}": bytes(1 << 20) for n in range(9)})
    assert len(bomb) < 1 << 16
    with pytest.raises(BadArtifactError, match="holds more than 4,194,304 bytes"):
        unpacked(bomb, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) <= 4 << 20


def test_a_zip_that_says_less_than_it_holds_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped({"a": b"x" * 1000}))
    at = content.index(b"PK\1\2")
    content[at + 24 : at + 28] = struct.pack("<I", 10)
    with pytest.raises(BadArtifactError, match="CRC"):
        unpacked(bytes(content), tmp_path)


@given(
    whole=st.sampled_from([tar(FILES), tar(FILES, form=tarfile.GNU_FORMAT), zipped(FILES)]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=4)), max_size=4),
)
def test_any_archive_is_unpacked_into_its_folder_or_refused(
    whole: bytes, changes: list[tuple[float, bytes]]
) -> None:
    content = bytearray(whole)
    for where, data in changes:
        at = int(where * len(content))
        content[at : at + len(data)] = data
    with tempfile.TemporaryDirectory() as above, suppress(BadArtifactError):
        unpacked(bytes(content), Path(above, "scratch"))
        assert {path.name for path in Path(above).iterdir()} <= {"scratch"}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(steady, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(apart, "run", lambda function, *arguments: function(*arguments))
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opus") / "source"
    tokenizers = {"source": engines.tokenizer(), "target": engines.tokenizer(engines.TARGET_WORDS)}
    return engines.write(folder, config={"add_source_eos": True}, **tokenizers)


def import_of(uri: str, out: Path, digest: str | None = None) -> importing.Import:
    known = import_config.from_command_line(uri, out, "pt-en")
    return replace(known, origin=resource.Import(uri, digest))


def packed(folder: Path, form: str) -> bytes:
    """Return a folder as the standard library packs it."""
    with tempfile.TemporaryDirectory() as place:
        return Path(shutil.make_archive(f"{place}/a", form, folder)).read_bytes()


@pytest.mark.parametrize("form", ["gztar", "zip"])
def test_a_model_behind_a_url_is_imported(
    site: Site, opus: Path, tmp_path: Path, form: str
) -> None:
    site.pages["/pt-en?Signature=secret"] = Page(packed(opus, form), cuts=[2000])
    importing.run(import_of(f"{site.url}/pt-en?Signature=secret", tmp_path / "out"))
    manifest = artifact.verify(tmp_path / "out/model")
    assert manifest.recipe["import"] == {"uri": f"{site.url}/pt-en"}
    told = (tmp_path / "out/import.json").read_text()
    assert "secret" not in f"{manifest} {told}"


def test_an_artifact_behind_a_url_keeps_its_digest(site: Site, opus: Path, tmp_path: Path) -> None:
    importing.run(import_of(str(opus), tmp_path / "run"))
    _, digest = artifact.read_manifest(tmp_path / "run" / names.MODEL_FOLDER)
    for path in ("run", "run/model"):
        site.pages[f"/{path}"] = Page(packed(tmp_path / path, "gztar"))
    found = importing.run(import_of(f"{site.url}/run/model", tmp_path / "out", digest))
    assert found.artifact["digest"] == digest
    with pytest.raises(ConfigurationError, match="name its model/"):
        importing.run(import_of(f"{site.url}/run", tmp_path / "no"))


@pytest.mark.parametrize(
    ("page", "error", "words"),
    [
        pytest.param(
            Page(refuses=404), ConfigurationError, r"correct spec\.import\.uri", id="none"
        ),
        pytest.param(Page(refuses=403), ConfigurationError, "a signed one", id="forbidden"),
        pytest.param(Page(refuses=503), StorageError, "in 4 attempts", id="away for a while"),
        pytest.param(
            Page(tar(FILES), cuts=[0] * 9), StorageError, "in 4 attempts", id="cut off each time"
        ),
        pytest.param(Page(tar({"a": b""})), BadArtifactError, "no model.bin", id="no model"),
    ],
)
def test_what_a_server_refuses_is_told(
    site: Site, tmp_path: Path, page: Page, error: type[ProgramError], words: str
) -> None:
    site.pages["/a.tar"] = page
    with pytest.raises(error, match=words):
        importing.run(import_of(f"{site.url}/a.tar", tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []
