"""What every part is handed to bring itself up."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import binaries
from ..api import Api, condition, wait_until
from ..cache import Cache
from ..commands import run
from ..control import Node, ProcessSpec
from ..instance import Instance
from ..progress import Progress


@dataclass(frozen=True)
class Bringup:
    """A running node, and what is needed to start programs in it."""

    cache: Cache
    instance: Instance
    node: Node
    progress: Progress
    # Seconds since the epoch: what older starts of the node said no longer counts.
    booted_at: float

    def find(self, name: str) -> Path:
        """Return a program that was built."""
        return binaries.path(self.cache, binaries.COMPONENTS[name])

    def api(self) -> Api:
        """Return a client of the API server, as administrator."""
        return Api(self.instance.kubeconfig, self.instance.addresses.node)

    def configure(self, files: dict[str, str]) -> None:
        """Write configuration files, by name below the instance's folder for them.

        Those that stay as they are are not touched: kube-proxy ends when its file is written.
        """
        for name, text in files.items():
            path = self.instance.config / name
            if not path.exists() or path.read_text() != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

    def run(self, *specs: ProcessSpec) -> None:
        """Have these programs running."""
        for spec in specs:
            self.node.ensure(spec)

    def apply(self, file: Path) -> None:
        """Apply every document of a file; ours wins over other writers' fields."""
        run(
            [
                binaries.kubectl(self.cache, self.progress), "apply", "--server-side",
                "--force-conflicts", "--kubeconfig", self.instance.kubeconfig,
                "--cache-dir", self.instance.data / "kubectl", "--filename", file,
            ],
            what=f"applying {file.name}",
        )  # fmt: skip

    def wait_for_kinds(self, crds: Collection[str]) -> None:
        """Wait until the kinds of these CRDs are served."""
        api = self.api()
        paths = [f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd}" for crd in crds]
        self.wait(
            "kube-apiserver",
            f"{', '.join(crds)} are served",
            lambda: all(is_established(api.get(path)) for path in paths),
        )

    def wait(self, process: str, what: str, holds: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until something holds that a program brings about.

        Raises:
            ClusterError: it ends again and again, or does not get there in time.
        """
        wait_until(
            holds,
            what=what,
            seconds=seconds,
            log=self.instance.logs / f"{process}.log",
            check=lambda: self.node.check(process),
        )


def is_established(crd: Any) -> bool:
    """Tell whether the API server serves the kind of a CRD (None: there is no such CRD yet)."""
    return condition(crd, "Established").get("status") == "True"
