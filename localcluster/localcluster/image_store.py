"""Puts built images where a node finds them: containerd's store, which outlives the node."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from .commands import run, tail
from .control import inside
from .errors import ClusterError
from .images import Builder
from .processes import CONTAINERD_SOCKET
from .progress import Progress


class ImageStore:
    """The images of one running node."""

    def __init__(self, pid: int) -> None:
        self._socket = inside(pid, CONTAINERD_SOCKET)

    def answers(self) -> bool:
        """Tell whether containerd takes requests."""
        return self._socket.is_socket()

    def digests(self) -> dict[str, str]:
        """Return the digest of every image, by its reference.

        An image stands under its tag and, as `sha256:…`, under its ID; both have one digest.
        """
        return listed(self._ctr("images", "list", what="listing the node's images"))

    def load(self, builder: Builder, tags: Sequence[str], progress: Progress) -> None:
        """Load images that the node does not have yet.

        Raises:
            ClusterError: an image was not built, or containerd refuses it.
        """
        for tag in tags:
            if not has(self.digests(), tag, builder.require(tag)):
                with progress.step(f"loaded {tag}"):
                    self._load(builder, tag)

    def _load(self, builder: Builder, tag: str) -> None:
        image = builder.stored(tag)
        known = frozenset(self._ctr("content", "list", "--quiet", what="listing parts").split())
        command = [*self._command(), "images", "import", "-"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as importing:
            assert importing.stdin is not None
            assert importing.stdout is not None
            try:
                image.write(importing.stdin, known)
                importing.stdin.close()
            except BrokenPipeError:
                pass  # It ended early; why is in what it wrote.
            output = importing.stdout.read().decode(errors="replace")
        if importing.returncode != 0:
            raise ClusterError(f"loading {tag} failed:\n{tail(output)}")

    def _ctr(self, *words: str, what: str) -> str:
        return run([*self._command(), *words], what=what)

    def _command(self) -> list[str]:
        return ["ctr", "--address", str(self._socket), "--namespace", "k8s.io"]


def listed(table: str) -> dict[str, str]:
    """Return reference and digest of the lines that `ctr images list` prints."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def has(digests: dict[str, str], tag: str, image_id: str) -> bool:
    """Tell whether a tag names the image with this ID."""
    return tag in digests and digests.get(image_id) == digests[tag]
