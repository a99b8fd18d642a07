"""The artifact's manifest, and what its verification finds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_contract import artifact
from mt_contract.artifact import ArtifactError, Manifest, Tokens

MANIFEST = Manifest(
    source_language="pt",
    target_language="en",
    recipe={"training": {"seed": 42}},
    recipe_digest="sha256:1",
    dataset_digest="sha256:2",
    max_tokens=128,
    run="pt-en-1",
    parent_run=None,
    versions={"trainer": "1"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a whole artifact."""
    folder = tmp_path / "model"
    (folder / "ctranslate2").mkdir(parents=True)
    (folder / "ctranslate2" / "model.bin").write_bytes(bytes(range(256)) * 10)
    (folder / "vocabulary.model").write_bytes(b"pieces")
    artifact.write_manifest(folder, MANIFEST)
    return folder


def test_what_was_written_is_verified(folder: Path) -> None:
    manifest = artifact.verify(folder)
    assert set(manifest.files) == {"ctranslate2/model.bin", "vocabulary.model"}
    assert manifest.size_bytes == 2566
    assert (manifest.recipe, manifest.parent_run, manifest.max_tokens) == (
        {"training": {"seed": 42}},
        None,
        128,
    )


def test_the_digest_is_that_of_the_manifest_and_says_nothing_of_time(folder: Path) -> None:
    _, digest = artifact.read_manifest(folder)
    os.utime(folder / "vocabulary.model", (0, 0))
    assert artifact.write_manifest(folder, MANIFEST) == digest
    assert artifact.verify(folder, digest).run == "pt-en-1"


def test_nothing_else_is_left_behind(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def flip_a_byte(folder: Path) -> None:
    path = folder / "ctranslate2" / "model.bin"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)


def edit_manifest(**change: object) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return edit


def replace_manifest(data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "manifest.json").write_bytes(data)


def link_elsewhere(folder: Path) -> None:
    path = folder / "vocabulary.model"
    path.rename(folder.parent / "outside")
    path.symlink_to(folder.parent / "outside")


def make_manifest(kind: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        path = folder / "manifest.json"
        path.rename(folder.parent / "outside")
        {
            "link": lambda: path.symlink_to(folder.parent / "outside"),
            "pipe": lambda: os.mkfifo(path),
            "folder": path.mkdir,
        }[kind]()

    return make


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(flip_a_byte, "model.bin differs from its digest", id="one byte flipped"),
        pytest.param(
            lambda f: (f / "vocabulary.model").unlink(),
            "vocabulary.model is missing",
            id="a file is missing",
        ),
        pytest.param(
            lambda f: (f / "saved_model").write_text("x"),
            "saved_model is not in the manifest",
            id="a file was added",
        ),
        pytest.param(
            lambda f: (f / "vocabulary.model").write_bytes(b"piecesX"),
            "vocabulary.model differs from its digest",
            id="a file grew",
        ),
        pytest.param(link_elsewhere, "vocabulary.model is not a plain file", id="a link out of it"),
        pytest.param(
            lambda f: os.mkfifo(f / "pipe"), "pipe is not a plain file", id="a pipe instead of data"
        ),
        pytest.param(
            lambda f: (f / "manifest.json").unlink(),
            "a folder without it is no artifact",
            id="no manifest",
        ),
        pytest.param(make_manifest("link"), "is not a plain file", id="the manifest is a link"),
        pytest.param(make_manifest("pipe"), "is not a plain file", id="the manifest is a pipe"),
        pytest.param(make_manifest("folder"), "is not a plain file", id="the manifest is a folder"),
        pytest.param(
            replace_manifest(b" " * (artifact.MAX_MANIFEST_BYTES + 1)),
            "is larger than",
            id="an endless manifest",
        ),
        pytest.param(replace_manifest(b""), "is not a manifest", id="an empty manifest"),
        pytest.param(replace_manifest(b"[1]"), "is not a manifest", id="a list as manifest"),
        pytest.param(
            replace_manifest(b'{"schemaVersion": 1}'), "is required", id="a manifest with no fields"
        ),
        pytest.param(
            replace_manifest(b"[" * 100_000), "is not a manifest", id="a manifest nested too deep"
        ),
        pytest.param(edit_manifest(schemaVersion=2), "schema version 2", id="of a later release"),
        pytest.param(
            edit_manifest(files={"../x": {"digest": "sha256:1", "sizeBytes": 1}}),
            "../x is missing",
            id="a manifest that names files outside",
        ),
        pytest.param(
            edit_manifest(files={"vocabulary.model": "sha256:1"}),
            "expected an object",
            id="entries of another shape",
        ),
    ],
)
def test_a_damaged_artifact_is_refused(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder)
    with pytest.raises(ArtifactError) as caught:
        artifact.verify(folder)
    assert message in str(caught.value)


def test_another_whole_artifact_is_not_the_one_that_was_evaluated(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="but sha256:0 was evaluated"):
        artifact.verify(folder, "sha256:0")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifact.verify(tmp_path / "none")


@given(data=st.binary(max_size=64))
def test_any_manifest_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(ArtifactError):
        artifact.read_manifest(folder)


def test_what_is_not_set_changes_no_digest(folder: Path) -> None:
    """The digest that a release before warm starts and imports would have written."""
    _, digest = artifact.read_manifest(folder)
    assert digest == "sha256:e45968e4d83aaa9aae25dab84670073cc52c892d74bd26b52b3835755f0626ae"


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param(None, id="trained here"),
        pytest.param(Tokens(), id="the engine is fed pieces"),
        pytest.param(Tokens("target.model", "</s>", 1), id="all said"),
    ],
)
def test_how_an_imported_model_is_fed_is_kept(folder: Path, tokens: Tokens | None) -> None:
    artifact.write_manifest(folder, replace(MANIFEST, tokens=tokens))
    assert artifact.verify(folder).tokens == tokens
