"""Builds the cluster's programs from pinned Go modules, once for each content of their lock."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import golang
from .cache import Cache
from .commands import run
from .errors import ClusterError
from .instance import NEEDED_PART, Addition, Part
from .progress import Progress
from .state import locked
from .versions import at_least, version

PROJECTS = Path(__file__).resolve().parents[1] / "go"
BUILD_SECONDS = 1800


@dataclass(frozen=True)
class Component:
    """A program, the project in `go/` that pins it, and its package."""

    name: str
    project: str
    package: str

    @property
    def folder(self) -> Path:
        """The project: go.mod and go.sum."""
        return PROJECTS / self.project


_KUBERNETES = {
    name: Component(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}")
    for name in (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
    )
}
KNATIVE_SERVING = ("controller", "webhook", "autoscaler", "activator", "queue")
COMPONENTS = {
    "etcd": Component("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    **_KUBERNETES,
    "kserve-manager": Component("kserve-manager", "kserve", "github.com/kserve/kserve/cmd/manager"),
    "contour": Component("contour", "contour", "github.com/projectcontour/contour/cmd/contour"),
    "coredns": Component("coredns", "coredns", "github.com/coredns/coredns"),
    **{
        name: Component(name, "prometheus", f"github.com/prometheus/prometheus/cmd/{name}")
        for name in ("prometheus", "promtool")
    },
    **{
        f"knative-{name}": Component(
            f"knative-{name}", "knative-serving", f"knative.dev/serving/cmd/{name}"
        )
        for name in KNATIVE_SERVING
    },
    "knative-gateway": Component(
        "knative-gateway", "knative-gateway", "knative.dev/net-gateway-api/cmd/controller"
    ),
}
NEEDED = {
    Part.APISERVER: ("etcd", "kube-apiserver"),
    Part.NODE: ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"),
    Part.KSERVE: ("kserve-manager", "contour", "coredns"),
}
NEEDED_BY_ADDITION = {
    Addition.KNATIVE: tuple(f"knative-{name}" for name in (*KNATIVE_SERVING, "gateway")),
    Addition.PROMETHEUS: ("prometheus",),
}


def needed(part: Part, additions: Iterable[Addition] = ()) -> list[Component]:
    """Return the programs of a part, of those before it, and of the additions it carries."""
    names = [name for each in Part if each <= part for name in NEEDED[each]]
    for addition in sorted(additions):
        if NEEDED_PART[addition] <= part:
            names += NEEDED_BY_ADDITION[addition]
    return [COMPONENTS[name] for name in names]


def linker_flags(component: Component) -> str:
    """Return what the linker is told; Kubernetes programs learn their version that way."""
    flags = "-s -w"
    if component.project == "kubernetes":
        found = re.search(
            r"^\s+k8s\.io/kubernetes (v\d+\.(\d+)\.\d+)", lock(component.project), re.M
        )
        if found is None:
            raise ClusterError(f"{component.folder / 'go.mod'} does not require k8s.io/kubernetes")
        at = "-X k8s.io/component-base/version"
        flags += f" {at}.gitVersion={found[1]} {at}.gitMajor=1 {at}.gitMinor={found[2]}"
    return flags


def lock(project: str) -> str:
    """Return what pins a project: its go.mod and go.sum.

    Raises:
        ClusterError: one of them is missing.
    """
    folder = PROJECTS / project
    try:
        return (folder / "go.mod").read_text() + (folder / "go.sum").read_text()
    except FileNotFoundError as error:
        raise ClusterError(f"{error.filename} is missing; it belongs to the checkout") from None


def digest(*texts: str) -> str:
    """Return the name of a content: 16 characters of its SHA-256."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def path(cache: Cache, component: Component) -> Path:
    """Return where the program lies once it is built."""
    content = digest(
        lock(component.project), component.package, linker_flags(component), platform.machine()
    )
    return cache.binaries / f"{component.name}-{content}" / component.name


def build(cache: Cache, components: Iterable[Component], progress: Progress) -> None:
    """Build what is not there yet. Two commands that build wait for each other.

    Raises:
        ClusterError: a build failed; the message holds the end of its log.
    """
    wanted = list(components)
    if all(path(cache, component).exists() for component in wanted):
        return
    with locked(cache, "build"):
        go = golang.find(cache, progress)
        for component in wanted:
            if not path(cache, component).exists():
                with progress.step(f"built {component.name}"):
                    _build(cache, go, component)


def _build(cache: Cache, go: golang.Go, component: Component) -> None:
    target = path(cache, component)
    draft = target.parent.with_name(target.parent.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    run(
        [
            go.program, "build", "-trimpath", "-ldflags", linker_flags(component),
            "-o", draft / component.name, component.package,
        ],
        what=f"building {component.name}", cwd=component.folder, env=go.env,
        log=cache.root / "logs" / f"build-{component.name}.log", timeout=BUILD_SECONDS,
    )  # fmt: skip
    shutil.rmtree(target.parent, ignore_errors=True)
    draft.rename(target.parent)


def tool(cache: Cache, name: str, progress: Progress) -> Path:
    """Return one program, built if need be: for tests that need it and no cluster.

    Raises:
        ClusterError: there is no such program, or its build failed.
    """
    component = COMPONENTS.get(name)
    if component is None:
        raise ClusterError(f"there is no program {name!r}; there are: {', '.join(COMPONENTS)}")
    build(cache, [component], progress)
    return path(cache, component)


def kubectl(cache: Cache, progress: Progress) -> Path:
    """Return the kubectl on the path if it is new enough, otherwise one of our own."""
    on_path = shutil.which("kubectl")
    if on_path and at_least(_kubectl_version(on_path), version("KUBECTL_MINIMUM")):
        return Path(on_path)
    own = COMPONENTS["kubectl"]
    build(cache, [own], progress)
    return path(cache, own)


def _kubectl_version(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "version", "--client", "--output=yaml"], capture_output=True, text=True,
            timeout=60, check=True, env={**os.environ, "KUBECONFIG": os.devnull},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "0"
    found = re.search(r"gitVersion: v(\S+)", done.stdout)
    return found[1] if found else "0"
