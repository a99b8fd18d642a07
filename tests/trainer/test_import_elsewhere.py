"""Imports from buckets and the Hub: as from a folder, and bounded in all that comes from there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.request import Request, urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus.servers import Page, Site, moto_server, serving
from tests.trainer import engines, shelves
from tests.trainer.shelves import PLACES, Put, Shelf

from mt_contract import artifact, names, report, resource
from mt_contract.errors import BadArtifactError, ConfigurationError, ProgramError, StorageError
from mt_contract.report import Failure
from mt_corpus import buckets, steady
from mt_trainer import apart, import_config, importing, source_files
from mt_trainer.__main__ import main
from mt_trainer.import_config import Import
from mt_trainer.signals import Stopper

SOURCE, TARGET = engines.tokenizer(), engines.tokenizer(engines.TARGET_WORDS)
APPENDS = {"add_source_eos": True}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    monkeypatch.setattr(steady, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(apart, "run", lambda function, *arguments: function(*arguments))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model such as OPUS-MT's are, with what else lies in repositories."""
    folder = tmp_path_factory.mktemp("opus") / "source"
    engines.write(folder, source=SOURCE, target=TARGET, config=APPENDS)
    (folder / "README.md").write_text("# A model")
    (folder / "pytorch_model.bin").write_bytes(b"the same again")
    (folder / ".gitattributes").write_text("")
    return folder


@pytest.fixture(scope="module")
def ours(opus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact."""
    out = tmp_path_factory.mktemp("ours")
    importing.run(import_config.from_command_line(str(opus), out, "pt-en"))
    return out / names.MODEL_FOLDER


def asked(uri: str, out: Path, digest: str | None = None) -> Import:
    known = import_config.from_command_line(uri, out, "pt-en")
    return replace(known, origin=resource.Import(uri, digest))


def changed(folder: Path, to: Path, change: Callable[[Path], object]) -> Path:
    shutil.copytree(folder, to)
    change(to)
    return to


def fetched(site: Site) -> list[str]:
    """Return the last part of what was asked for by GET, in order."""
    paths = [one.path.partition("?")[0] for one in site.requests if one.method == "GET"]
    return [PurePosixPath(path.replace("%2F", "/")).name for path in paths]


@pytest.mark.parametrize("put", PLACES)
def test_an_artifact_keeps_its_digest(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Put
) -> None:
    _, digest = artifact.read_manifest(ours)
    shelf = put(site, ours, monkeypatch)
    result = importing.run(asked(shelf.uri, tmp_path / "out", digest))
    assert result.artifact["digest"] == digest
    artifact.verify(tmp_path / "out/model", digest)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("put", PLACES)
@pytest.mark.parametrize("below", ["", "ctranslate2"])
def test_a_model_is_the_same_as_from_a_folder(
    site: Site, opus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Put, below: str
) -> None:
    def sorted_out(folder: Path) -> None:
        (folder / below).mkdir(exist_ok=True)
        for name in ("model.bin", "config.json", *(f"{s}_vocabulary.json" for s in SIDES)):
            (folder / name).rename(folder / below / name)

    shelf = put(site, changed(opus, tmp_path / "there", sorted_out), monkeypatch)
    importing.run(asked(shelf.uri, tmp_path / "out"))
    importing.run(asked(str(opus), tmp_path / "here"))
    found, expected = (artifact.verify(tmp_path / place / "model") for place in ("out", "here"))
    assert (found.files, found.tokens) == (expected.files, expected.tokens)
    assert found.recipe["import"] == {"uri": shelf.uri}
    assert not {"README.md", "pytorch_model.bin", ".gitattributes"} & set(fetched(site))


SIDES = ("source", "target")


def test_what_was_imported_is_not_asked_for_again(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = shelves.on_s3(site, ours, monkeypatch)
    first = importing.run(asked(shelf.uri, tmp_path / "out"))
    site.requests.clear()
    assert importing.run(asked(shelf.uri, tmp_path / "out")) == first
    assert site.requests == []


def test_what_an_interrupted_import_left_is_in_nobodys_way(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out/.model.aside/ctranslate2").mkdir(parents=True)
    (tmp_path / "out/.model.aside/ctranslate2/model.bin").write_bytes(b"half")
    shelf = shelves.on_s3(site, ours, monkeypatch)
    importing.run(asked(shelf.uri, tmp_path / "out"))
    artifact.verify(tmp_path / "out/model")
    assert not (tmp_path / "out/.model.aside").exists()


@pytest.mark.parametrize("put", PLACES)
def test_a_connection_that_is_lost_is_made_anew(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Put
) -> None:
    shelf = put(site, ours, monkeypatch)
    page = shelf.files["ctranslate2/model.bin"]
    page.cuts = [len(page.content) // 2]
    importing.run(asked(shelf.uri, tmp_path / "out"))
    assert page.cuts == []


Spoil = Callable[[Shelf, Site], object]


def manifest(**change: Any) -> Spoil:
    def spoil(shelf: Shelf, _: Site) -> None:
        page = shelf.files["manifest.json"]
        page.content = json.dumps(json.loads(page.content) | change).encode()

    return spoil


def listing(**change: Any) -> Spoil:
    """Change how the bucket answers who wants to know what is in it."""
    return lambda _, site: [
        vars(page).update(change) for path, page in site.pages.items() if "?" in path
    ]


def file(name: str, **change: Any) -> Spoil:
    return lambda shelf, _: vars(shelf.files[name]).update(change)


def gone(name: str) -> Spoil:
    return lambda _, site: site.pages.pop(f"/bucket/pt-en/{name}")


def shorter(shelf: Shelf, _: Site) -> None:
    page = shelf.files["ctranslate2/model.bin"]
    page.content = page.content[:-9]


ENTRY = {"digest": "sha256:0", "sizeBytes": 1}
MANIFEST_FILES = [
    pytest.param("../../etc/cron.d/evil", id="a way out"),
    pytest.param("/etc/cron.d/evil", id="an absolute name"),
    pytest.param("a/../b", id="a way up"),
    pytest.param("manifest.json", id="the manifest itself"),
]


@pytest.mark.parametrize("name", MANIFEST_FILES)
def test_names_of_a_manifest_lead_nowhere_else(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shelf = shelves.on_s3(site, ours, monkeypatch)
    manifest(files={name: ENTRY})(shelf, site)
    with pytest.raises(BadArtifactError, match=r"relative, printable|twice"):
        importing.run(asked(shelf.uri, tmp_path / "out"))
    assert fetched(site) == ["bucket", "manifest.json"]


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        pytest.param(
            gone("ctranslate2/model.bin"),
            ConfigurationError,
            "ctranslate2/model.bin does not exist.*copy the whole model there",
            id="a file that is missing",
        ),
        pytest.param(
            shorter, BadArtifactError, "model.bin differs", id="an object that was cut off"
        ),
        pytest.param(
            file("ctranslate2/model.bin", content=bytes(1 << 20)),
            BadArtifactError,
            "larger than any file of its kind",
            id="more bytes than the manifest says",
        ),
        pytest.param(
            file("ctranslate2/model.bin", cuts=[0] * 9),
            StorageError,
            "in 4 attempts",
            id="a connection that is lost again and again",
        ),
        pytest.param(
            file("ctranslate2/model.bin", refuses=503),
            StorageError,
            "in 4 attempts",
            id="it is away",
        ),
        pytest.param(
            file("manifest.json", refuses=403),
            ConfigurationError,
            "AWS_ACCESS_KEY_ID.*of the model that spec.modelRef names",
            id="a file may not be read",
        ),
        pytest.param(
            listing(refuses=403), ConfigurationError, "may not be read", id="nothing may be listed"
        ),
        pytest.param(
            listing(refuses=503), StorageError, "could not be listed", id="no list is given"
        ),
        pytest.param(
            listing(refuses=404),
            ConfigurationError,
            "does not exist, or holds nothing",
            id="no folder",
        ),
        pytest.param(
            manifest(files={"a": {"digest": "", "sizeBytes": 1 << 50}}),
            BadArtifactError,
            "more than .* are not imported",
            id="a manifest of a petabyte",
        ),
        pytest.param(
            manifest(files={"a": {"digest": "", "sizeBytes": -5}, "b": ENTRY}),
            BadArtifactError,
            "a is larger than any",
            id="less than nothing",
        ),
        pytest.param(
            manifest(files={f"{n}": ENTRY for n in range(300)}),
            BadArtifactError,
            "more than 256 files",
            id="a manifest of many files",
        ),
        pytest.param(
            file("manifest.json", content=b"[]"),
            BadArtifactError,
            "is not a manifest",
            id="no manifest",
        ),
    ],
)
def test_what_cannot_be_imported_is_told_and_leaves_nothing(
    site: Site,
    ours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Spoil,
    error: type[ProgramError],
    words: str,
) -> None:
    shelf = shelves.on_s3(site, ours, monkeypatch)
    spoil(shelf, site)
    with pytest.raises(error, match=words) as told:
        importing.run(asked(shelf.uri, tmp_path / "out"))
    assert str(tmp_path) not in str(told.value)
    assert [*(tmp_path / "out").iterdir(), *(tmp_path / "tmp").iterdir()] == []


def test_another_digest_is_told_before_the_rest_is_asked_for(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = shelves.on_s3(site, ours, monkeypatch)
    with pytest.raises(BadArtifactError, match=r"s3://bucket/pt-en/manifest\.json has digest"):
        importing.run(asked(shelf.uri, tmp_path / "out", "sha256:0"))
    assert fetched(site) == ["bucket", "manifest.json"]


@pytest.mark.parametrize(
    ("change", "digest", "error", "words"),
    [
        pytest.param(
            lambda f: (f / "config.json").unlink(),
            None,
            BadArtifactError,
            "s3://bucket/pt-en has no config.json",
            id="no configuration",
        ),
        pytest.param(
            lambda f: (f / "target.spm").rename(f / "b.spm"),
            None,
            BadArtifactError,
            "cannot be told",
            id="unclear names",
        ),
        pytest.param(
            lambda _: None, "sha256:0", ConfigurationError, "leave it out", id="a digest of nothing"
        ),
        pytest.param(
            lambda f: (f / "config.json").write_bytes(b" " * (2 << 20)),
            None,
            BadArtifactError,
            r"s3://bucket/pt-en/config\.json is larger",
            id="a huge configuration",
        ),
        pytest.param(
            lambda f: (f / "model.bin").write_bytes(b"x" * 99),
            None,
            BadArtifactError,
            "binary version",
            id="no weights",
        ),
    ],
)
def test_what_is_no_model_is_told_by_its_place(
    site: Site,
    opus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
    digest: str | None,
    error: type[ProgramError],
    words: str,
) -> None:
    shelf = shelves.on_s3(site, changed(opus, tmp_path / "there", change), monkeypatch)
    with pytest.raises(error, match=words):
        importing.run(asked(shelf.uri, tmp_path / "out", digest))


@pytest.mark.parametrize("put", PLACES)
def test_the_folder_above_an_artifact_is_not_guessed_at(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Put
) -> None:
    shutil.copytree(ours, tmp_path / "run/model")
    shelf = put(site, tmp_path / "run", monkeypatch)
    with pytest.raises(ConfigurationError, match="name its model/"):
        importing.run(asked(shelf.uri, tmp_path / "out"))


def test_a_folder_of_a_repository(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ours, tmp_path / "run/model")
    shelf = shelves.on_the_hub(site, tmp_path / "run", monkeypatch)
    importing.run(asked(f"{shelf.uri}/model/", tmp_path / "out"))


@pytest.mark.parametrize(
    ("page", "words"),
    [
        pytest.param(Page(refuses=404), "does not exist", id="no repository"),
        pytest.param(Page(refuses=401), "HF_TOKEN", id="a gated one"),
        pytest.param(Page(b"<html>"), "correct HF_ENDPOINT", id="no Hub"),
        pytest.param(Page(b'{"sha": 1, "siblings": []}'), "correct HF_ENDPOINT", id="another one"),
        pytest.param(Page(b" " * (9 << 20)), "too many files", id="without end"),
    ],
)
def test_what_the_hub_may_answer(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Page, words: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    site.pages["/api/models/team/pt-en/revision/main?blobs=true"] = page
    with pytest.raises(ConfigurationError, match=words):
        importing.run(asked("hf://team/pt-en", tmp_path / "out"))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        pytest.param("hf://datasets/team/corpus", "hf://<owner>/<name>", id="a data set"),
        pytest.param("hf://gpt2", "hf://<owner>/<name>", id="no owner"),
        pytest.param("s3:///pt-en", "names no bucket", id="no bucket"),
        pytest.param("gs://", "names no bucket", id="nothing at all"),
        pytest.param("https:///x.zip", "is no URL", id="no host"),
    ],
)
def test_a_wrong_uri_is_refused(site: Site, tmp_path: Path, uri: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"import.uri: .*{words}"):
        importing.run(asked(uri, tmp_path / "out"))


def test_too_little_room_is_told(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Iterator[bytes]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield b""

    shelf = shelves.on_s3(site, ours, monkeypatch)
    monkeypatch.setattr(source_files, "bounded", full)
    with pytest.raises(StorageError, match=r"laid down in .*No space.*make more room there"):
        importing.run(asked(shelf.uri, tmp_path / "out"))


@pytest.mark.parametrize(
    ("given_names", "words"),
    [
        pytest.param(["a/b", "a/c", "d"], "", id="a tree"),
        pytest.param(["weights (1).bin", "português.spm"], "", id="names of people"),
        pytest.param(["a", "a/b"], "'a' twice", id="a file that is a folder"),
        pytest.param(["a", "a"], "'a' twice", id="the same twice"),
        pytest.param([f"{n}" for n in range(257)], "more than 256 files", id="many"),
        *(
            pytest.param([name], "relative, printable", id=repr(name[:20]))
            for name in (
                *("", "/", "/a", "..", "../a", "a/../b", "a//b", "a/", ".", "./a", "a/."),
                *("a\\b", "..\\a", "a\0b", "a\nb", "\x1b[2J", "\udcff", "\u202egnp", "x" * 256),
                *("ééé/" * 200 + "x", "a/" * 32 + "b"),
            )
        ),
    ],
)
def test_names_from_elsewhere(given_names: list[str], words: str) -> None:
    if not words:
        source_files.check_names(given_names, "s3://b/m")
        return
    with pytest.raises(BadArtifactError, match=words):
        source_files.check_names(given_names, "s3://b/m")


@given(st.lists(st.text("ab./\\\0é", max_size=8), max_size=4))
def test_names_that_are_let_in_stay_in_their_folder(given_names: list[str]) -> None:
    with suppress(BadArtifactError):
        source_files.check_names(given_names, "s3://b/m")
        for name in given_names:
            assert os.path.normpath(f"/scratch/{name}") == f"/scratch/{name}"


def test_an_artifact_may_have_files_of_any_size_that_its_manifest_says(
    ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_files, "_MOST_OTHERS", 9)
    importing.run(asked(str(ours), tmp_path / "out"))


@pytest.mark.parametrize(
    ("refuses", "code", "reason"),
    [
        pytest.param(403, 2, "ConfigurationInvalid", id="forbidden"),
        pytest.param(404, 2, "ConfigurationInvalid", id="not there"),
        pytest.param(503, 5, "StorageUnavailable", id="away for a while"),
    ],
)
def test_a_job_ends_with_the_code_that_decides_whether_it_is_tried_again(
    site: Site,
    ours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refuses: int,
    code: int,
    reason: str,
) -> None:
    shelf = shelves.on_s3(site, ours, monkeypatch)
    listing(refuses=refuses)(shelf, site)
    monkeypatch.setattr(Stopper, "install", lambda self: None)
    for name, value in job(shelf.uri, tmp_path).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "log").touch()
    assert main(["import", "--termination-log", str(tmp_path / "log")]) == code
    message = report.decode((tmp_path / "log").read_text())
    assert isinstance(message, Failure)
    assert message.reason == reason


def job(uri: str, place: Path) -> dict[str, str]:
    return {
        "MT_IMPORT": json.dumps({"uri": uri}),
        "MT_LANGUAGES": "pt-en",
        "MT_RUN": "import-1",
        "MT_OUTPUT": str(place / "out"),
    }


def program(uri: str, place: Path) -> subprocess.Popen[bytes]:
    """Start an import as a Job does."""
    command = [sys.executable, "-m", "mt_trainer", "import"]
    (place / "log").touch()
    ours = {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(place / "tmp")}
    return subprocess.Popen(
        [*command, "--termination-log", str(place / "log")],
        env=os.environ | ours | job(uri, place),
    )


@pytest.mark.slow
def test_a_signal_ends_an_import_that_waits_for_a_bucket(
    site: Site, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = shelves.on_s3(site, ours, monkeypatch)
    shelf.files["ctranslate2/model.bin"].stalls = [99] * 9
    process = program(shelf.uri, tmp_path)
    while "model.bin" not in fetched(site):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    # Arrow itself would wait for a minute, and Kubernetes does so for half of one.
    assert process.wait(30) == 128 + signal.SIGTERM
    assert [*(tmp_path / "out").iterdir(), *(tmp_path / "tmp").iterdir()] == []
    shelf.files["ctranslate2/model.bin"].stalls = []
    assert program(shelf.uri, tmp_path).wait(300) == 0
    artifact.verify(tmp_path / "out/model")


@pytest.mark.slow
def test_a_bucket_that_speaks_all_of_s3(
    opus: Path,
    ours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port: int,
) -> None:
    from pyarrow.fs import LocalFileSystem, S3FileSystem, copy_files

    (tmp_path / "tmp").mkdir()
    with moto_server(unused_tcp_port) as url:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "of-a-user")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        writer = S3FileSystem(endpoint_override=url, region="us-east-1", allow_bucket_creation=True)
        writer.create_dir("models")
        for folder in (opus, ours):
            copy_files(
                str(folder),
                f"models/{folder.name}",
                source_filesystem=LocalFileSystem(),
                destination_filesystem=writer,
            )
        _, digest = artifact.read_manifest(ours)
        assert program(f"s3://models/{opus.name}", tmp_path).wait(300) == 0
        found = importing.run(asked(f"s3://models/{ours.name}/", tmp_path / "again", digest))
        assert found.artifact["digest"] == digest
        with pytest.raises(BadArtifactError, match="has digest"):
            importing.run(asked(f"s3://models/{ours.name}", tmp_path / "no", "sha256:0"))
        for uri in ("s3://models/none", "s3://none/model", "s3://models/source/model.bin"):
            with pytest.raises(ConfigurationError, match="does not exist"):
                importing.run(asked(uri, tmp_path / "no"))
        writer.delete_file(f"models/{ours.name}/ctranslate2/model.bin")
        with pytest.raises(ConfigurationError, match=r"model\.bin does not exist"):
            importing.run(asked(f"s3://models/{ours.name}", tmp_path / "no"))
        plain = {"Content-Type": "text/plain"}
        urlopen(Request(f"{url}/moto-api/reset-auth", b"0", plain, method="POST")).close()
        buckets.amazon.cache_clear()
        with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY"):
            importing.run(asked(f"s3://models/{opus.name}", tmp_path / "no"))
        assert list((tmp_path / "no").iterdir()) == []
