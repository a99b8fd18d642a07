"""Where everything is kept: one folder outside the checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError

# The node mounts folders of its own over these, so a cache below them would vanish inside it.
HIDDEN_IN_NODE = ("/run", "/var/lib", "/var/log")


@dataclass(frozen=True)
class Cache:
    """The folders below `${XDG_CACHE_HOME:-~/.cache}/translation-operator`."""

    root: Path

    @property
    def go_modules(self) -> Path:
        """GOMODCACHE."""
        return self.root / "go" / "mod"

    @property
    def go_builds(self) -> Path:
        """GOCACHE."""
        return self.root / "go" / "build"

    @property
    def binaries(self) -> Path:
        """Built programs and rendered manifests, each in a folder named by its content."""
        return self.root / "bin"

    @property
    def clusters(self) -> Path:
        """One folder an instance."""
        return self.root / "clusters"

    @property
    def images(self) -> Path:
        """The image builder's storage and the base image."""
        return self.root / "images"

    @property
    def tools(self) -> Path:
        """Build tools that were not on the path."""
        return self.root / "tools"

    @property
    def pip(self) -> Path:
        """Downloaded wheels, shared by all image builds."""
        return self.root / "pip"


def default_cache() -> Cache:
    """Return the cache that the environment names.

    Raises:
        ClusterError: the folder would be hidden inside the node.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = (Path(base) / "translation-operator").resolve()
    for hidden in HIDDEN_IN_NODE:
        if root.is_relative_to(hidden):
            raise ClusterError(
                f"the cache folder {root} is below {hidden}, which a node covers with a folder of "
                "its own; set XDG_CACHE_HOME to another place"
            )
    return Cache(root)
