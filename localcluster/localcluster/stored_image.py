"""Reads a built image out of the builder's storage: layer by layer, without copying it first.

The storage keeps a layer as a folder of files and, beside it, all else that its archive consists
of (headers and padding, as `tar-split` writes them). Read in turn they are the archive, bit by bit.
So a node that has the lower layers of an image gets the upper ones alone.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from .errors import ClusterError

CHUNK = 1 << 20
# Kinds of lines in the record of an archive: a file's content, and bytes that stand there.
FILE, SEGMENT = 1, 2


@dataclass(frozen=True)
class Blob:
    """A part of an image: named by its digest, and opened when it is needed."""

    digest: str
    size: int
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class StoredImage:
    """An image of the builder: its manifest and the parts that the manifest names."""

    tag: str
    manifest: bytes
    blobs: tuple[Blob, ...]

    @property
    def index(self) -> dict[str, object]:
        """The index of an OCI layout that holds this image under its tag."""
        names = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
        descriptor = {
            "mediaType": json.loads(self.manifest)["mediaType"],
            "digest": digest_of(self.manifest),
            "size": len(self.manifest),
            "annotations": dict.fromkeys(names, self.tag),
        }
        return {"schemaVersion": 2, "manifests": [descriptor]}

    def write(self, target: IO[bytes], known: frozenset[str]) -> None:
        """Write an OCI layout as an archive, without the parts that the reader knows already."""
        with tarfile.open(fileobj=target, mode="w|") as archive:
            for blob in self.blobs:
                if blob.digest not in known:
                    with blob.open() as content:
                        _add(archive, _place(blob.digest), blob.size, content)
            for name, text in (
                (_place(digest_of(self.manifest)), self.manifest),
                ("index.json", json.dumps(self.index).encode()),
                ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
            ):
                _add(archive, name, len(text), io.BytesIO(text))


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(archive: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    archive.addfile(entry, content)


def digest_of(content: bytes) -> str:
    """Return how a manifest names this content."""
    return f"sha256:{sha256(content).hexdigest()}"


def read(storage: Path, tag: str) -> StoredImage:
    """Return an image of the builder's storage.

    Args:
        storage: its root, with `overlay`, `overlay-images` and `overlay-layers` in it.
        tag: one of the image's names.

    Raises:
        ClusterError: there is no such image.
    """
    images: list[dict[str, Any]] = json.loads(
        (storage / "overlay-images" / "images.json").read_text()
    )
    found = next((image for image in images if tag in image.get("names", [])), None)
    if found is None:
        raise ClusterError(f"there is no image {tag}; build it with `build-image --tag {tag}`")
    folder = storage / "overlay-images" / found["id"]
    manifest = (folder / "manifest").read_bytes()
    parts = json.loads(manifest)
    config = (folder / _file_name(parts["config"]["digest"])).read_bytes()
    layers = _layers(storage, found["layer"])
    blobs = [Blob(digest_of(config), len(config), lambda: io.BytesIO(config))]
    blobs += [
        _layer_blob(storage, part["digest"], part["size"], layer)
        for part, layer in zip(parts["layers"], layers, strict=True)
    ]
    return StoredImage(tag, manifest, tuple(blobs))


def _file_name(key: str) -> str:
    # The storage's rule for keys with characters that do not go well with file names.
    return "=" + base64.b64encode(key.encode()).decode()


def _layers(storage: Path, top: str) -> list[str]:
    """Return the identifiers of an image's layers, the lowest first."""
    records = json.loads((storage / "overlay-layers" / "layers.json").read_text())
    parents = {record["id"]: record.get("parent") for record in records}
    found: list[str] = []
    layer: str | None = top
    while layer:
        found.insert(0, layer)
        layer = parents[layer]
    return found


def _layer_blob(storage: Path, digest: str, size: int, layer: str) -> Blob:
    record = storage / "overlay-layers" / f"{layer}.tar-split.gz"
    files = storage / "overlay" / layer / "diff"
    return Blob(digest, size, lambda: io.BufferedReader(_Pieces(archive_of(record, files)), CHUNK))


def archive_of(record: Path, files: Path) -> Iterator[bytes]:
    """Yield a layer's archive, put together from its files and the record of all else."""
    with gzip.open(record, "rt", encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["type"] == SEGMENT:
                yield base64.b64decode(entry.get("payload") or "")
            elif entry["type"] == FILE and entry.get("size"):
                yield from _content(files / _entry_name(entry))


def _entry_name(entry: dict[str, Any]) -> str:
    if raw := entry.get("name_raw"):
        return base64.b64decode(raw).decode(errors="surrogateescape")
    return str(entry["name"]).lstrip("/")


def _content(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


class _Pieces(io.RawIOBase):
    """A readable stream of what an iterator yields."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
