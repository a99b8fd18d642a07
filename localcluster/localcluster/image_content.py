"""What goes into an image, and the digest of all of it. Pure, but for reading the files."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from .binaries import digest
from .errors import ClusterError

# Never part of an image, and different from one machine to the next.
NOT_CONTENT = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True)
class ImageBuild:
    """One image to build: tag, Dockerfile, the folder that is copied from, and arguments."""

    tag: str
    dockerfile: Path
    context: Path
    arguments: Mapping[str, str]


def content_digest(image: ImageBuild, base_id: str) -> str:
    """Return a digest of all that goes into an image: Dockerfile, arguments, base, copied files.

    Raises:
        ClusterError: the Dockerfile is missing.
    """
    try:
        dockerfile = image.dockerfile.read_text()
    except FileNotFoundError:
        raise ClusterError(f"there is no Dockerfile {image.dockerfile}") from None
    arguments = [f"{key}={value}" for key, value in sorted(image.arguments.items())]
    texts = [dockerfile, *arguments, base_id]
    for file in copied_files(dockerfile, image.context):
        mode = "x" if os.access(file, os.X_OK) else "-"
        name = file.relative_to(image.context.resolve())
        texts.append(f"{name} {mode} {sha256(file.read_bytes()).hexdigest()}")
    return digest(*texts)


def copied_files(dockerfile: str, context: Path) -> list[Path]:
    """Return the files of the context that a Dockerfile copies, sorted."""
    root = context.resolve()
    files: set[Path] = set()
    for source in copied_sources(dockerfile):
        for match in [root] if source in ("", ".") else root.glob(source):
            found = match.rglob("*") if match.is_dir() else [match]
            files.update(path for path in found if path.is_file() and _is_content(path, root))
    return sorted(files)


def _is_content(path: Path, root: Path) -> bool:
    return NOT_CONTENT.isdisjoint(path.relative_to(root).parts) and path.suffix != ".pyc"


def copied_sources(dockerfile: str) -> list[str]:
    """Return what the COPY and ADD lines of a Dockerfile take from the context, relative to it."""
    joined = re.sub(r"\\\s*\n", " ", dockerfile)
    sources: list[str] = []
    for line in joined.splitlines():
        found = re.match(r"\s*(?:COPY|ADD)\s+(.*)", line, re.IGNORECASE)
        if not found:
            continue
        words = shlex.split(found[1])
        if any(word.startswith("--from=") for word in words):
            continue
        paths = [word.strip("[],") for word in words if not word.startswith("--")]
        sources += [path.lstrip("/").removeprefix("./").rstrip("/") for path in paths[:-1]]
    return sources
