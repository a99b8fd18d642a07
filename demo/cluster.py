"""Where the demo plays: a local cluster that it brings up, or the one that kubectl points at."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.kube import Kubectl, KubeError
from localcluster import binaries, lifecycle, state, volumes
from localcluster.cache import default_cache
from localcluster.image_content import ImageBuild
from localcluster.image_store import ImageStore
from localcluster.images import Builder
from localcluster.instance import Addition, Instance, Part
from localcluster.progress import Progress

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Image:
    """An image of ours; the repository is the context of its build."""

    tag: str
    dockerfile: str


OPERATOR = Image("localhost/translation-operator:local", "Dockerfile")
PREDICTOR = Image("localhost/translation-predictor:local", "predictor/Dockerfile")
TRAINER = Image("localhost/translation-trainer:local", "trainer_image/Dockerfile")
IMAGES = (OPERATOR, PREDICTOR, TRAINER)


@dataclass(frozen=True)
class Place:
    """A cluster that is up, and how to install into it."""

    kube: Kubectl
    gateway_url: str
    overlay: Path  # kustomization that installs the operator
    instance: Instance | None = None  # the local cluster; None: somebody else's

    @property
    def node_pid(self) -> int:
        """Return the first process of the local cluster's node, as this machine sees it.

        Raises:
            KubeError: the cluster is not a local one, or is down.
        """
        node = state.load_node(self.instance) if self.instance else None
        if node is None:
            raise KubeError("no local cluster is up; `make cluster` brings one up")
        return node.pid


def local(
    name: str,
    progress: Progress,
    audit: bool = False,
    additions: frozenset[Addition] = frozenset(),
) -> Place:
    """Bring a local cluster up, if it is not, and return it.

    Raises:
        ClusterError: it does not come up; the message names the log.
    """
    cache = default_cache()
    request = lifecycle.Request(name, max(Part), audit=audit, additions=additions)
    instance = lifecycle.up(cache, request, progress)
    kubectl = str(binaries.kubectl(cache, progress))
    kube = Kubectl(kubectl, str(instance.kubeconfig))
    return Place(kube, instance.gateway_url, ROOT / "manifests/overlays/local", instance)


def current(environment: Mapping[str, str], ask: bool) -> Place:
    """Return the cluster that kubectl points at, after the person has agreed.

    Raises:
        KubeError: there is none, the person declined, or the gateway is not known.
    """
    program = shutil.which("kubectl")
    if program is None:
        raise KubeError("CLUSTER=current needs a kubectl on the path")
    kube = Kubectl(program)
    context = kube.run("config", "current-context").strip()
    server = kube.run("config", "view", "--minify", "--output", "jsonpath={..server}").strip()
    print(f"CLUSTER=current: context {context!r}, {server}")
    if ask and input("Install the operator and run the demo there? [y/N] ").lower() != "y":
        raise KubeError("nothing was touched")
    gateway = environment.get("GATEWAY_URL")
    if not gateway:
        raise KubeError("set GATEWAY_URL to where the cluster's Gateway answers from here")
    overlay = environment.get("OVERLAY", "manifests/overlays/standalone")
    return Place(kube, gateway.rstrip("/"), ROOT / overlay)


def build_images(progress: Progress, images: Sequence[Image] = IMAGES) -> None:
    """Build our images from their Dockerfiles; one whose content was built before is there."""
    builder = Builder(default_cache(), progress)
    builder.prepare()
    for image in images:
        builder.build(ImageBuild(image.tag, ROOT / image.dockerfile, ROOT, {}))


def load_images(place: Place, progress: Progress, images: Sequence[Image] = IMAGES) -> None:
    """Load built images into the local cluster's node; one that is there already is left alone."""
    builder = Builder(default_cache(), progress)
    ImageStore(place.node_pid).load(builder, [image.tag for image in images], progress)


def make_volume(place: Place, namespace: str, claim: str) -> Path:
    """Make an empty volume with a bound claim in the local cluster, and return its folder.

    Raises:
        KubeError: the cluster is not a local one.
    """
    if place.instance is None:
        raise KubeError("volumes of folders are made in a local cluster only")
    # The volume of an earlier namespace of this name is bound to a claim that is gone.
    place.kube.delete("persistentvolume", f"{namespace}-{claim}")
    folder = volumes.folder(place.instance, namespace, claim)
    shutil.rmtree(folder, ignore_errors=True)
    return volumes.create(place.instance, namespace, claim)
