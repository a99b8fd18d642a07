"""Builds container images without a daemon: the base from Debian's packages, the rest from Dockerfiles.

An image is built once for each content: besides its own tag it gets one that names the digest of all that
went into it, and where that one exists nothing is built.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from . import debian
from .binaries import digest
from .cache import Cache
from .commands import run
from .configs import PAUSE_IMAGE
from .errors import ClusterError
from .progress import Progress
from .state import locked
from .versions import version

BASE_PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-venv")
# What slim images leave out: pages, translations and caches that no program reads.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
# Never part of an image, and different from one machine to the next.
NOT_CONTENT = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
BUILD_SECONDS = 1800


def base_image() -> str:
    """Return the tag of the image that plays the part of the public Python image."""
    return f"localhost/python:{version('PYTHON_VERSION')}-{version('DEBIAN_SUITE')}"


@dataclass(frozen=True)
class ImageBuild:
    """One image to build: its tag, its Dockerfile, the folder that is copied from, and arguments."""

    tag: str
    dockerfile: Path
    context: Path
    arguments: Mapping[str, str]


class Builder:
    """buildah with storage of its own."""

    def __init__(self, cache: Cache, progress: Progress) -> None:
        self._cache = cache
        self._progress = progress
        self._settings = cache.images / "storage.conf"

    def prepare(self) -> None:
        """Install what is needed, and write the storage's settings."""
        debian.ensure(self._cache, list(debian.FOR_IMAGES), self._progress)
        self._cache.images.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(
            f'[storage]\ndriver = "overlay"\n'
            f'graphroot = "{self._cache.images / "storage"}"\n'
            f'runroot = "{self._cache.images / "run"}"\n'
            f'[storage.options.overlay]\nskip_mount_home = "true"\n'
        )

    def image_id(self, tag: str) -> str | None:
        """Return the image's ID (`sha256:…`), or None where there is no such image."""
        found = self._buildah(
            "images", "--all", "--no-trunc", "--format", "{{.Name}}:{{.Tag}} {{.ID}}",
            what="listing images",
        )  # fmt: skip
        return image_ids(found).get(tag)

    def build(self, image: ImageBuild) -> str:
        """Build an image unless its content has been built, and return its ID.

        Raises:
            ClusterError: the Dockerfile is missing or a step of it failed.
        """
        if "BASE" not in image.arguments:
            image = ImageBuild(
                image.tag, image.dockerfile, image.context,
                {**image.arguments, "BASE": base_image()},
            )  # fmt: skip
            self.ensure_base()
        with locked(self._cache, "images"):
            base = self.image_id(image.arguments["BASE"]) or ""
            content = f"{image.tag.rpartition(':')[0]}:content-{content_digest(image, base)}"
            if self.image_id(content) is None:
                with self._progress.step(f"built {image.tag}"):
                    self._build(image, content)
            self._buildah("tag", content, image.tag, what=f"tagging {image.tag}")
            return self._required(image.tag)

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
        """Return what a build sees of this machine: its certificates, pip's settings and downloads."""
        self._cache.pip.mkdir(parents=True, exist_ok=True)
        settings = self._cache.images / "pip.conf"
        settings.write_text(pip_settings(_pip_config()))
        mounts = [f"{self._cache.pip}:/root/.cache/pip:rw", f"{settings}:/etc/pip.conf:ro"]
        if HOST_CERTIFICATES.exists():
            mounts.append(f"{HOST_CERTIFICATES}:{HOST_CERTIFICATES}:ro")
        for place in os.environ.get("PIP_FIND_LINKS", "").split():
            if Path(place).is_dir():
                mounts.append(f"{place}:{place}:ro")
        return [f"--volume={mount}" for mount in mounts]

    def ensure_base(self) -> None:
        """Build the base image from Debian's packages, unless it is there."""
        base = base_image()
        suite = version("DEBIAN_SUITE")
        content = f"{base}-content-{digest(suite, *BASE_PACKAGES, *LEFT_OUT)}"
        with locked(self._cache, "images"):
            if self.image_id(content) is None:
                with self._progress.step(f"built {base}"):
                    self._build_base(suite, content)
            self._buildah("tag", content, base, what=f"tagging {base}")

    def _build_base(self, suite: str, content: str) -> None:
        folder = self._cache.images / "base"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(
            [
                "mmdebstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
                suite, folder / "base.tar",
            ],
            what="building the base image", log=self._cache.root / "logs" / "image-base.log",
        )  # fmt: skip
        (folder / "Dockerfile").write_text("FROM scratch\nADD base.tar /\nCMD [\"python3\"]\n")
        self._simple_build(folder, content)
        shutil.rmtree(folder)

    def ensure_pause(self) -> None:
        """Make the image that holds a pod's namespaces: the base, asleep."""
        self.ensure_base()
        folder = self._cache.images / "pause"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Dockerfile").write_text(
            f'FROM {base_image()}\nUSER 65535:65535\nENTRYPOINT ["/bin/sleep", "infinity"]\n'
        )
        with locked(self._cache, "images"):
            self._simple_build(folder, PAUSE_IMAGE)

    def _simple_build(self, folder: Path, tag: str) -> None:
        self._buildah(
            "bud", "--isolation=chroot", "--format=docker", "--layers", "--pull-never",
            f"--tag={tag}", str(folder), what=f"building {tag}",
        )  # fmt: skip

    def export(self, tag: str, archive: Path) -> None:
        """Write an image as a file that containerd reads."""
        self._buildah("push", "--quiet", tag, f"docker-archive:{archive}:{tag}", what=f"saving {tag}")

    def _required(self, tag: str) -> str:
        found = self.image_id(tag)
        if found is None:
            raise ClusterError(f"there is no image {tag}; build it with `build-image --tag {tag}`")
        return found

    def require(self, tag: str) -> str:
        """Return the ID of an image that was built.

        Raises:
            ClusterError: there is none.
        """
        return self._required(tag)

    def _buildah(self, *words: str, what: str, log: Path | None = None) -> str:
        # In mount namespaces of its own: whatever it mounts goes with it, however it ends.
        return run(
            ["unshare", "--mount", "buildah", *words],
            what=what, log=log, timeout=BUILD_SECONDS,
            env={"CONTAINERS_STORAGE_CONF": str(self._settings)},
        )  # fmt: skip


def image_ids(table: str) -> dict[str, str]:
    """Return the ID of every image, by its tag, out of the builder's list of both."""
    rows = [line.split() for line in table.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def pip_settings(config: str) -> str:
    """Return a pip.conf for builds out of what `pip config list` prints on this machine.

    Variables of the environment count as settings; of several with one name the later wins, and the
    certificates are always the ones that are mounted into the build.
    """
    settings = {"cert": str(HOST_CERTIFICATES)} if HOST_CERTIFICATES.exists() else {}
    for line in config.splitlines():
        found = re.fullmatch(r"(?:global|:env:)\.([\w-]+)=(.*)", line.strip())
        if found and found[1] != "cert":
            settings[found[1]] = " ".join(shlex.split(found[2]))
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())


def _pip_config() -> str:
    pip = shutil.which("pip3")
    argv = [pip] if pip else [sys.executable, "-m", "pip"]
    try:
        return run([*argv, "config", "list"], what="reading pip's settings")
    except ClusterError:
        # No pip on this machine: only variables can have set anything.
        names = sorted(name for name in os.environ if name.startswith("PIP_"))
        return "\n".join(
            f":env:.{name[4:].lower().replace('_', '-')}={shlex.quote(os.environ[name])}"
            for name in names
        )


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
