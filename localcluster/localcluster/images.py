"""Builds container images without a daemon: a base from Debian's packages, others on top of it.

An image is built once for each content: besides its own tag it gets one that names the digest of
all that went into it, and where that one exists nothing is built.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

from . import debian
from .binaries import digest
from .cache import Cache
from .commands import run
from .configs import PAUSE_IMAGE
from .errors import ClusterError
from .image_content import ImageBuild, content_digest
from .pip_settings import HOST_CERTIFICATES, pip_config, pip_settings
from .progress import Progress
from .state import locked
from .stored_image import StoredImage, read
from .versions import version

__all__ = ["Builder", "ImageBuild", "base_image"]

BASE_PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-venv")
# What slim images leave out: pages, translations and caches that no program reads.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
PAUSE_DOCKERFILE = """\
ARG BASE
FROM ${BASE}
USER 65535:65535
ENTRYPOINT ["/bin/sleep", "infinity"]
"""
BUILD_SECONDS = 1800
KEPT = 12  # builds under one name: two of an image that has six variants


def base_image() -> str:
    """Return the tag of the image that plays the part of the public Python image."""
    return f"localhost/python:{version('PYTHON_VERSION')}-{version('DEBIAN_SUITE')}"


class Builder:
    """buildah with storage of its own."""

    def __init__(self, cache: Cache, progress: Progress) -> None:
        self._cache = cache
        self._progress = progress
        self._settings = cache.images / "storage.conf"
        self._storage = cache.images / "storage"

    def prepare(self) -> None:
        """Install what is needed, and write the storage's settings."""
        debian.ensure(self._cache, list(debian.FOR_IMAGES), self._progress)
        (self._cache.images / "tmp").mkdir(parents=True, exist_ok=True)
        self._settings.write_text(
            f'[storage]\ndriver = "overlay"\n'
            f'graphroot = "{self._storage}"\n'
            f'runroot = "{self._cache.images / "run"}"\n'
            f'[storage.options.overlay]\nskip_mount_home = "true"\n'
        )

    def image_id(self, tag: str) -> str | None:
        """Return the image's ID (`sha256:…`), or None where there is no such image."""
        return image_ids(self._listed()).get(tag)

    def _listed(self) -> str:
        """Return the list of all tags with their IDs, the newest image first."""
        return self._buildah(
            "images", "--all", "--no-trunc", "--format", "{{.Name}}:{{.Tag}} {{.ID}}",
            what="listing images",
        )  # fmt: skip

    def build(self, image: ImageBuild) -> str:
        """Build an image unless its content has been built, and return its ID.

        Raises:
            ClusterError: the Dockerfile is missing or a step of it failed.
        """
        if "BASE" not in image.arguments:
            self.ensure_base()
            image = replace(image, arguments={**image.arguments, "BASE": base_image()})
        base = self.image_id(image.arguments["BASE"]) or ""
        content = content_digest(image, base)
        tag = f"{image.tag.rpartition(':')[0]}:content-{content}"
        # A lock for each content: others build meanwhile.
        with locked(self._cache, f"image-{content}"):
            if self.image_id(tag) is None:
                with self._progress.step(f"built {image.tag}"):
                    self._build(image, tag)
                self._forget_older(tag)
            self._buildah("tag", tag, image.tag, what=f"tagging {image.tag}")
        return self.require(image.tag)

    def _forget_older(self, tag: str) -> None:
        """Remove what was built long before under this name: a disk does not fill with the past."""
        for old in older(self._listed(), tag.rpartition(":")[0], KEPT):
            try:
                self._buildah("rmi", old, what=f"removing {old}")
            except ClusterError as error:  # it is in use, or somebody else has removed it
                self._progress.say(f"{old} is kept: {error}")

    def _build(self, image: ImageBuild, content: str) -> None:
        name = re.sub(r"\W+", "-", image.tag)
        arguments = [f"--build-arg={key}={value}" for key, value in image.arguments.items()]
        self._buildah(
            "bud", "--isolation=chroot", "--network=host", "--format=docker", "--layers",
            "--pull-never", f"--tag={content}", f"--file={image.dockerfile}", *arguments,
            *self._mounts(), str(image.context),
            what=f"building {image.tag}", log=self._cache.root / "logs" / f"image-{name}.log",
        )  # fmt: skip

    def _mounts(self) -> list[str]:
        """Return what a build sees of this machine: certificates, pip's settings and downloads."""
        self._cache.pip.mkdir(parents=True, exist_ok=True)
        settings = self._cache.images / "pip.conf"
        text = pip_settings(pip_config())
        # Another build may have it mounted: it is left alone unless it changes.
        if not settings.exists() or settings.read_text() != text:
            settings.write_text(text)
        mounts = [f"{self._cache.pip}:/root/.cache/pip:rw", f"{settings}:/etc/pip.conf:ro"]
        if HOST_CERTIFICATES.exists():
            mounts.append(f"{HOST_CERTIFICATES}:{HOST_CERTIFICATES}:ro")
        places = os.environ.get("PIP_FIND_LINKS", "").split()
        mounts += [f"{place}:{place}:ro" for place in places if Path(place).is_dir()]
        return [f"--volume={mount}" for mount in mounts]

    def ensure_base(self) -> None:
        """Build the base image from Debian's packages, unless it is there."""
        base = base_image()
        suite = version("DEBIAN_SUITE")
        content = f"{base}-content-{digest(suite, *BASE_PACKAGES, *LEFT_OUT)}"
        with locked(self._cache, "image-base"):
            if self.image_id(content) is None:
                with self._progress.step(f"built {base}"):
                    self._build_base(suite, content)
            if self.image_id(content) != self.image_id(base):
                self._buildah("tag", content, base, what=f"tagging {base}")

    def _build_base(self, suite: str, content: str) -> None:
        folder = self._cache.images / "base"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(
            [
                "mmdebstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
                suite, folder / "base.tar", *debian.mirrors(suite),
            ],
            what="building the base image", log=self._cache.root / "logs" / "image-base.log",
        )  # fmt: skip
        (folder / "Dockerfile").write_text('FROM scratch\nADD base.tar /\nCMD ["python3"]\n')
        self._buildah(
            "bud", "--isolation=chroot", "--format=docker", f"--tag={content}", str(folder),
            what=f"building {content}",
        )  # fmt: skip
        shutil.rmtree(folder)

    def ensure_pause(self) -> None:
        """Make the image that holds a pod's namespaces: the base, asleep."""
        folder = self._cache.images / "pause"
        folder.mkdir(parents=True, exist_ok=True)
        dockerfile = folder / "Dockerfile"
        dockerfile.write_text(PAUSE_DOCKERFILE)
        self.build(ImageBuild(PAUSE_IMAGE, dockerfile, folder, {}))

    def stored(self, tag: str) -> StoredImage:
        """Return an image as the storage has it.

        Raises:
            ClusterError: it was not built.
        """
        return read(self._storage, tag)

    def require(self, tag: str) -> str:
        """Return the ID of an image that was built.

        Raises:
            ClusterError: there is none.
        """
        found = self.image_id(tag)
        if found is None:
            raise ClusterError(f"there is no image {tag}; build it with `build-image --tag {tag}`")
        return found

    def _buildah(self, *words: str, what: str, log: Path | None = None) -> str:
        # In mount namespaces of its own: whatever it mounts goes with it, however it ends.
        return run(
            ["unshare", "--mount", "buildah", *words],
            what=what, log=log, timeout=BUILD_SECONDS,
            env={
                "CONTAINERS_STORAGE_CONF": str(self._settings),
                "TMPDIR": str(self._cache.images / "tmp"),
            },
        )  # fmt: skip


def older(table: str, name: str, kept: int) -> list[str]:
    """Return the tags of an image's builds but the newest ``kept``, out of the builder's list."""
    tags = [line.split()[0] for line in table.splitlines() if line.strip()]
    return [tag for tag in tags if tag.startswith(f"{name}:content-")][kept:]


def image_ids(table: str) -> dict[str, str]:
    """Return the ID of every image, by its tag, out of the builder's list of both."""
    rows = [line.split() for line in table.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}
