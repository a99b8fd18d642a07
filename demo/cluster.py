"""Where the demo plays: a local cluster that it brings up, or the one that kubectl points at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.kube import Kubectl, KubeError
from demo.narrator import Narrator

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Image:
    """An image of ours, and what it is built from."""

    tag: str
    dockerfile: str  # relative to the repository, which is the build's context


IMAGES = {
    "operator": Image("localhost/translation-operator:local", "Dockerfile"),
    "predictor": Image("localhost/translation-predictor:local", "predictor/Dockerfile"),
    "trainer": Image("localhost/translation-trainer:local", "trainer_image/Dockerfile"),
}


@dataclass(frozen=True)
class Place:
    """A cluster that is up, and how to install into it."""

    kube: Kubectl
    gateway_url: str
    overlay: Path  # kustomization that installs the operator
    local: str | None  # the local cluster's name; None: somebody else's cluster


def localcluster(narrator: Narrator, *arguments: str) -> str:
    """Run a command of the local cluster's program and return the last line that it printed.

    Raises:
        KubeError: it failed; it has said why on the terminal.
    """
    command = [sys.executable, "-m", "localcluster", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "localcluster")}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    if done.returncode:
        raise KubeError(f"localcluster {' '.join(arguments)} failed")
    lines = done.stdout.strip().splitlines()
    return lines[-1] if lines else ""


def local(narrator: Narrator, name: str) -> Place:
    """Bring a local cluster up, if it is not, and return it."""
    localcluster(narrator, "up", "--name", name)
    kubeconfig = localcluster(narrator, "kubeconfig", "--name", name)
    kubectl = localcluster(narrator, "kubectl", "--name", name)
    gateway = localcluster(narrator, "gateway-url", "--name", name)
    return Place(Kubectl(kubectl, kubeconfig), gateway, ROOT / "manifests/overlays/local", name)


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
    return Place(kube, gateway.rstrip("/"), ROOT / overlay, None)


def provide_images(place: Place, narrator: Narrator, names: Sequence[str] = tuple(IMAGES)) -> None:
    """Build our images and load them into a local cluster; another cluster pulls its own."""
    if place.local is None:
        return
    for name in names:
        image = IMAGES[name]
        build = ["--tag", image.tag, "--file", str(ROOT / image.dockerfile), str(ROOT)]
        localcluster(narrator, "build-image", "--name", place.local, *build)
        localcluster(narrator, "load-image", "--name", place.local, image.tag)
        narrator.say(f"image {image.tag} is on the node")
