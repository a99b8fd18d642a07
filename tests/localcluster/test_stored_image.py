"""Images read out of a builder's storage that looks like the real one."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from localcluster import stored_image
from localcluster.errors import ClusterError
from localcluster.stored_image import digest_of

CONTENTS = {"app/main.py": b"print(42)\n", "app/empty": b"", "app/large": b"x" * 3_000_001}


def archive(contents: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        folder = tarfile.TarInfo("app")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mtime = 12345
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def segment(content: bytes) -> dict[str, object]:
    return {"type": stored_image.SEGMENT, "payload": base64.b64encode(content).decode()}


def put_layer(storage: Path, layer: str, content: bytes) -> None:
    """Take an archive apart as the storage does: files in a folder, all else in a record."""
    lines: list[dict[str, object]] = []
    position = 0
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            lines.append(segment(content[position : member.offset_data]))
            file = storage / "overlay" / layer / "diff" / member.name
            if member.isdir():
                file.mkdir(parents=True)
            else:
                extracted = tar.extractfile(member)
                assert extracted is not None
                file.write_bytes(extracted.read())
            size = member.size
            entry = {"type": stored_image.FILE, "name": member.name, "size": size}
            # Names that are no text are written in another field.
            raw = {"name_raw": base64.b64encode(member.name.encode()).decode(), "name": ""}
            lines.append({**entry, **(raw if size > 100 else {})})
            position = member.offset_data + member.size
    lines.append(segment(content[position:]))
    records = storage / "overlay-layers"
    records.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (records / f"{layer}.tar-split.gz").write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    layers = {"low": archive(CONTENTS), "top": archive({"app/main.py": b"print(43)\n"})}
    for layer, content in layers.items():
        put_layer(tmp_path, layer, content)
    records = [{"id": "low"}, {"id": "top", "parent": "low"}]
    (tmp_path / "overlay-layers" / "layers.json").write_text(json.dumps(records))
    config = b'{"config": {}}'
    manifest = {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": digest_of(config), "size": len(config)},
        "layers": [{"digest": digest_of(each), "size": len(each)} for each in layers.values()],
    }
    folder = tmp_path / "overlay-images" / "abc"
    folder.mkdir(parents=True)
    (folder / "manifest").write_text(json.dumps(manifest))
    key = base64.b64encode(digest_of(config).encode()).decode()
    (folder / f"={key}").write_bytes(config)
    images = [{"id": "abc", "names": ["localhost/x:1"], "layer": "top"}, {"id": "none"}]
    (folder.parent / "images.json").write_text(json.dumps(images))
    return tmp_path


def parts_of(layout: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(layout)) as tar:
        members = [(member.name, tar.extractfile(member)) for member in tar]
        return {name: file.read() for name, file in members if file is not None}


def written(storage: Path, known: frozenset[str] = frozenset()) -> dict[str, bytes]:
    out = io.BytesIO()
    stored_image.read(storage, "localhost/x:1").write(out, known)
    return parts_of(out.getvalue())


def test_every_part_has_the_content_that_its_name_says(storage: Path) -> None:
    parts = written(storage)
    blobs = {name: content for name, content in parts.items() if name.startswith("blobs/")}
    assert len(blobs) == 4
    for name, content in blobs.items():
        assert name == f"blobs/{digest_of(content).replace(':', '/')}"
    index = json.loads(parts["index.json"])["manifests"][0]
    assert f"blobs/{index['digest'].replace(':', '/')}" in blobs
    assert set(index["annotations"].values()) == {"localhost/x:1"}


def test_parts_that_the_node_has_are_not_sent_again(storage: Path) -> None:
    low = digest_of(archive(CONTENTS))
    parts = written(storage, frozenset([low]))
    assert f"blobs/{low.replace(':', '/')}" not in parts
    assert len(parts) == len(written(storage)) - 1


def test_an_image_that_was_not_built_is_named(storage: Path) -> None:
    with pytest.raises(ClusterError, match=r"there is no image localhost/x:2; build it"):
        stored_image.read(storage, "localhost/x:2")
