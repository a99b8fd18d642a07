"""Models on loopback servers that behave as buckets and the Hub do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.corpus.servers import Page, Site

from mt_corpus import buckets

WHEN = "2026-11-21T12:00:00Z"


@dataclass(frozen=True)
class Shelf:
    """A model somewhere: its URI, and the page of each of its files."""

    uri: str
    files: Mapping[str, Page]


Put = Callable[[Site, Path, pytest.MonkeyPatch], Shelf]


def names(folder: Path) -> list[str]:
    """Return all files below a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def on_s3(site: Site, folder: Path, patch: pytest.MonkeyPatch) -> Shelf:
    """Put a model into a bucket of S3."""
    patch.setenv("AWS_ENDPOINT_URL", site.url)
    patch.setenv("AWS_ACCESS_KEY_ID", "key")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for below in _folders(folder):
        inside = [path for path in (folder / below).glob("*") if path.is_file()]
        told = "".join(
            f"<Contents><Key>pt-en/{below}{path.name}</Key><Size>{path.stat().st_size}</Size>"
            f"<LastModified>{WHEN}</LastModified></Contents>"
            for path in inside
        )
        query = "delimiter=%2F&list-type=2&max-keys=1000&prefix="
        site.pages[f"/bucket?{query}{quote(f'pt-en/{below}', safe='')}"] = Page(
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{told}</ListBucketResult>".encode(),
            type="application/xml",
        )
    files = {name: Page((folder / name).read_bytes()) for name in names(folder)}
    site.pages |= {f"/bucket/pt-en/{name}": page for name, page in files.items()}
    return Shelf("s3://bucket/pt-en", files)


def on_google(site: Site, folder: Path, patch: pytest.MonkeyPatch) -> Shelf:
    """Put a model into a bucket of Google's."""
    patch.setenv("STORAGE_EMULATOR_HOST", site.url)
    patch.setattr(buckets, "_CONNECT", 0.1)
    files = {}
    for below in _folders(folder):
        inside = [path for path in (folder / below).glob("*") if path.is_file()]
        items = [_told(f"pt-en/{below}{path.name}", path.stat().st_size) for path in inside]
        prefix = quote(f"pt-en/{below}", safe="")
        query = f"prefix={prefix}&delimiter=%2F&includeTrailingDelimiter=true&pageToken="
        site.pages[f"/storage/v1/b/bucket/o?{query}"] = _document({"items": items})
    for name in names(folder):
        content = (folder / name).read_bytes()
        path = f"/storage/v1/b/bucket/o/{quote(f'pt-en/{name}', safe='')}"
        site.pages[path] = _document(_told(f"pt-en/{name}", len(content)))
        files[name] = site.pages[f"{path}?alt=media"] = Page(content)
    return Shelf("gs://bucket/pt-en", files)


def on_the_hub(site: Site, folder: Path, patch: pytest.MonkeyPatch) -> Shelf:
    """Put a model into a repository of the Hub, for those who have its token."""
    patch.setenv("HF_ENDPOINT", site.url)
    patch.setenv("HF_TOKEN", "secret")
    told = [{"rfilename": n, "size": (folder / n).stat().st_size} for n in names(folder)]
    site.pages["/api/models/team/pt-en/revision/v1?blobs=true"] = _document(
        {"sha": "c0ffee", "siblings": told}, authorization="Bearer secret"
    )
    files = {
        name: Page((folder / name).read_bytes(), authorization="Bearer secret")
        for name in names(folder)
    }
    site.pages |= {f"/team/pt-en/resolve/c0ffee/{name}": page for name, page in files.items()}
    return Shelf("hf://team/pt-en@v1", files)


PLACES = [
    pytest.param(on_s3, id="S3"),
    pytest.param(on_google, id="Google"),
    pytest.param(on_the_hub, id="the Hub"),
]


def _folders(folder: Path) -> list[str]:
    return ["", *(f"{path.name}/" for path in folder.iterdir() if path.is_dir())]


def _told(name: str, size: int) -> dict[str, str]:
    return {
        "kind": "storage#object",
        "bucket": "bucket",
        "name": name,
        "size": str(size),
        "generation": "1",
        "metageneration": "1",
        "updated": WHEN,
    }


def _document(content: object, authorization: str = "") -> Page:
    return Page(json.dumps(content).encode(), type="application/json", authorization=authorization)
