"""The manifests of Knative Serving: out of its modules, fitted to a node with one gateway.

Its programs run as pods, as anywhere: images from scratch that hold one program each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from . import golang
from .binaries import COMPONENTS, NEEDED_BY_ADDITION, PROJECTS, digest, path
from .cache import Cache
from .configs import GATEWAY
from .instance import Addition
from .manifests import Document, is_crd, load_all, write
from .progress import Progress
from .state import locked

NAMESPACE = "knative-serving"
# The files that are rendered, in the order in which they are applied.
CRDS, SETTINGS, PROGRAMS, WEBHOOKS = FILES = (
    "knative-crds.yaml",
    "knative-settings.yaml",
    "knative-programs.yaml",
    "knative-webhooks.yaml",
)
DOMAIN = "example.com"
# The gateway as a Service: Knative's local names lead to it, and its probes ask what is behind it.
GATEWAY_SERVICE = {"name": "envoy", "namespace": GATEWAY["namespace"]}
_GATEWAYS = f"""\
- class: local
  gateway: {GATEWAY["namespace"]}/{GATEWAY["name"]}
  service: {GATEWAY_SERVICE["namespace"]}/{GATEWAY_SERVICE["name"]}
  supported-features:
  - HTTPRouteRequestTimeout
"""
_FEATURES = (
    "affinity",
    "fieldref",
    "init-containers",
    "nodeselector",
    "persistent-volume-claim",
    "persistent-volume-write",
    "securitycontext",
    "tolerations",
    "volumes-emptydir",
)
# What differs from Knative's own defaults, by ConfigMap.
SETTINGS_DATA: dict[str, dict[str, str]] = {
    # Revisions that lost their traffic go within half a minute: tests wait for it.
    "config-autoscaler": {"scale-to-zero-grace-period": "10s", "stable-window": "20s"},
    "config-deployment": {
        "queue-sidecar-memory-request": "50Mi",
        # Images of the node alone, in no registry that could be asked for their digests.
        "registries-skipping-tag-resolving": "localhost,index.docker.io,dev.local",
    },
    "config-domain": {DOMAIN: ""},
    "config-features": {f"kubernetes.podspec-{name}": "enabled" for name in _FEATURES},
    "config-gateway": {"external-gateways": _GATEWAYS, "local-gateways": _GATEWAYS},
    "config-network": {"ingress-class": "gateway-api.ingress.networking.knative.dev"},
}
REQUESTS = {"cpu": "20m", "memory": "40Mi"}
# One node and one replica: nothing to scale and nothing to keep available.
_NOT_APPLIED = ("HorizontalPodAutoscaler", "PodDisruptionBudget")
_DOCKERFILE = """\
ARG BASE
FROM ${{BASE}}
COPY {program} /{program}
USER 65532:65532
ENTRYPOINT ["/{program}"]
"""


def images(cache: Cache) -> dict[str, str]:
    """Return the tag of each program's image; it changes with the program."""
    programs = [COMPONENTS[name] for name in NEEDED_BY_ADDITION[Addition.KNATIVE]]
    contents = {each.name: path(cache, each).parent.name.rpartition("-")[2] for each in programs}
    return {
        name: f"localhost/{name.replace('-', '/', 1)}:{content}"
        for name, content in contents.items()
    }


def dockerfile(program: str) -> str:
    """Return the Dockerfile of an image that holds one program and nothing else."""
    return _DOCKERFILE.format(program=program)


def folder(cache: Cache) -> Path:
    """Return where the rendered manifests lie."""
    source = Path(__file__).read_text()
    return cache.binaries / f"knative-manifests-{digest(source, *images(cache).values())}"


def render(cache: Cache, progress: Progress) -> None:
    """Render the manifests unless they are there.

    Raises:
        ClusterError: a module cannot be had.
    """
    target = folder(cache)
    if target.exists():
        return
    with locked(cache, "build"), progress.step("rendered Knative's manifests"):
        go = golang.find(cache, progress)
        write(target, fitted(_documents(go), images(cache)))


def _documents(go: golang.Go) -> list[Document]:
    serving = PROJECTS / "knative-serving"
    core = go.module_folder(serving, "knative.dev/serving") / "config/core"
    networking = go.module_folder(serving, "knative.dev/networking") / "config"
    caching = go.module_folder(serving, "knative.dev/caching") / "config"
    gateway = go.module_folder(PROJECTS / "knative-gateway", "knative.dev/net-gateway-api")
    files = [core / "100-namespace.yaml", core / "200-serviceaccount.yaml"]
    for place in ("200-roles", "300-resources", "configmaps", "deployments", "webhooks"):
        files += sorted((core / place).glob("*.yaml"))
    files += [*sorted(networking.glob("*.yaml")), *sorted(caching.glob("*.yaml"))]
    files += [
        gateway / "config" / name
        for name in ("200-clusterrole.yaml", "300-controller.yaml", "config-gateway.yaml")
    ]
    return [document for file in files for document in load_all(file.read_text())]


def fitted(documents: Iterable[Document], tags: Mapping[str, str]) -> dict[str, list[Document]]:
    """Return what is applied, by file and in order.

    Args:
        documents: as the modules have them, with `ko://` and a Go package for an image.
        tags: the image of each program.
    """
    by_package = {f"ko://{COMPONENTS[name].package}": tag for name, tag in tags.items()}
    files: dict[str, list[Document]] = {name: [] for name in FILES}
    for document in documents:
        if document["kind"] in _NOT_APPLIED:
            continue
        if is_crd(document):
            files[CRDS].append(document)
        elif document["kind"] == "ConfigMap":
            files[SETTINGS].append(settings(document, by_package))
        elif document["kind"] == "Deployment":
            files[PROGRAMS].append(deployment(document, by_package))
        elif document["kind"].endswith("WebhookConfiguration"):
            files[WEBHOOKS].append(document)
        else:
            files[SETTINGS].append(document)
    return files


def settings(config: Document, images: Mapping[str, str]) -> Document:
    """Return one of Knative's ConfigMaps with our changes and without its examples."""
    shipped = {key: value for key, value in (config.get("data") or {}).items() if key[0] != "_"}
    shipped = {key: images.get(value, value) for key, value in shipped.items()}
    # A checksum of the examples is among the annotations.
    metadata = {key: value for key, value in config["metadata"].items() if key != "annotations"}
    ours = SETTINGS_DATA.get(metadata["name"], {})
    return {**config, "metadata": metadata, "data": {**shipped, **ours}}


def deployment(document: Document, images: Mapping[str, str]) -> Document:
    """Return one of Knative's Deployments with an image of the node and small requests."""
    template = document["spec"]["template"]
    containers = [
        {
            **container,
            "image": images[container["image"]],
            "imagePullPolicy": "Never",
            "resources": {**container.get("resources", {}), "requests": REQUESTS},
        }
        for container in template["spec"]["containers"]
    ]
    pod = {**template["spec"], "containers": containers}
    return {**document, "spec": {**document["spec"], "template": {**template, "spec": pod}}}
