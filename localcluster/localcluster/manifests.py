"""The manifests of KServe, the Gateway API and Contour: out of their modules, fitted to a node.

What does not change from cluster to cluster is rendered once, when the programs are built.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from . import golang
from .binaries import PROJECTS, digest, kubectl, lock
from .cache import Cache
from .commands import run
from .configs import GATEWAY
from .progress import Progress
from .state import locked

Document = dict[str, Any]
CRDS = "crds.yaml"
KSERVE = "kserve.yaml"
# KServe's manager is a process of the node with our certificates: what deploys it is left out.
NOT_APPLIED = ("Certificate", "Deployment", "Issuer", "Secret", "Service")
# Without these, a namespace with the `restricted` standard refuses a pod.
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
INGRESS = {
    "disableIstioVirtualHost": True,
    "enableGatewayApi": True,
    "ingressDomain": "example.com",
    "kserveIngressGateway": f"{GATEWAY['namespace']}/{GATEWAY['name']}",
    "urlScheme": "http",
}


def folder(cache: Cache) -> Path:
    """Return where the rendered manifests lie."""
    source = Path(__file__).read_text()
    return cache.binaries / f"manifests-{digest(lock('kserve'), lock('contour'), source)}"


def render(cache: Cache, progress: Progress) -> None:
    """Render the manifests unless they are there.

    Raises:
        ClusterError: a module cannot be had.
    """
    target = folder(cache)
    if target.exists():
        return
    program = kubectl(cache, progress)
    with locked(cache, "build"), progress.step("rendered the manifests"):
        go = golang.find(cache, progress)
        kserve = go.module_folder(PROJECTS / "kserve", "github.com/kserve/kserve")
        gateway = go.module_folder(PROJECTS / "kserve", "sigs.k8s.io/gateway-api")
        contour = go.module_folder(PROJECTS / "contour", "github.com/projectcontour/contour")
        rendered = run([program, "kustomize", kserve / "config/default"], what="rendering KServe")
        documents = load_all(rendered)
        crds = [document for document in documents if is_crd(document)]
        for file in sorted((gateway / "config/crd/standard").glob("*.yaml")):
            crds += load_all(file.read_text())
        crds += load_all((contour / "examples/contour/01-crds.yaml").read_text())
        settings = load_all((kserve / "config/configmap/inferenceservice.yaml").read_text())
        storage = load_all((kserve / "config/storagecontainers/default.yaml").read_text())
        kept = kserve_documents(documents, settings[0], storage[0])
        write(target, {CRDS: map(plain_crd, crds), KSERVE: kept})


def write(target: Path, files: Mapping[str, Iterable[Document]]) -> None:
    """Make the folder ``target`` with these files: all of them, or none."""
    draft = target.with_name(target.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, documents in files.items():
        (draft / name).write_text(dump_all(documents))
    draft.rename(target)


def kserve_documents(
    rendered: list[Document], settings: Document, storage: Document
) -> list[Document]:
    """Return what KServe needs besides its CRDs: roles, webhooks, its settings, its storage."""
    kept = [d for d in rendered if d["kind"] not in NOT_APPLIED and not is_crd(d)]
    without = [d for d in kept if (d["kind"], d["metadata"]["name"]) != identity(settings)]
    return [*without, kserve_settings(settings), restricted_storage(storage)]


def identity(document: Document) -> tuple[str, str]:
    """Return a document's kind and name."""
    return document["kind"], document["metadata"]["name"]


def kserve_settings(settings: Document) -> Document:
    """Return KServe's ConfigMap for plain Deployments behind our gateway."""
    data = {key: text for key, text in settings["data"].items() if key != "_example"}
    data["ingress"] = json.dumps({**json.loads(data["ingress"]), **INGRESS})
    deploy = {**json.loads(data["deploy"]), "defaultDeploymentMode": "Standard"}
    data["deploy"] = json.dumps(deploy)
    metadata = {**settings["metadata"], "namespace": "kserve"}
    return {**settings, "metadata": metadata, "data": data}


def restricted_storage(storage: Document) -> Document:
    """Return KServe's storage container so that the `restricted` standard lets it run."""
    container = {**storage["spec"]["container"], "securityContext": RESTRICTED}
    return {**storage, "spec": {**storage["spec"], "container": container}}


def plain_crd(crd: Document) -> Document:
    """Return a CRD without conversion, which would call a webhook's Service that is not there."""
    spec = {key: value for key, value in crd["spec"].items() if key != "conversion"}
    return {**crd, "spec": spec}


def with_webhooks_at(documents: Iterable[Document], url: str, authority: bytes) -> list[Document]:
    """Return the documents with their webhooks called at a URL instead of a Service."""
    return [_called_at(document, url, authority) for document in documents]


def _called_at(document: Document, url: str, authority: bytes) -> Document:
    if not document["kind"].endswith("WebhookConfiguration"):
        return document
    bundle = base64.b64encode(authority).decode()
    hooks = [
        {
            **hook,
            "clientConfig": {
                "url": url + hook["clientConfig"]["service"]["path"],
                "caBundle": bundle,
            },
        }
        for hook in document["webhooks"]
    ]
    # Its annotations ask cert-manager, which is not there, for a certificate.
    metadata = {key: value for key, value in document["metadata"].items() if key != "annotations"}
    return {**document, "metadata": metadata, "webhooks": hooks}


def is_crd(document: Document) -> bool:
    """Tell whether a document defines a kind."""
    return bool(document["kind"] == "CustomResourceDefinition")


def load_all(text: str) -> list[Document]:
    """Return the documents of a YAML stream; empty ones are skipped."""
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def dump_all(documents: Iterable[Document]) -> str:
    """Return a YAML stream."""
    return yaml.dump_all(documents, Dumper=yaml.CSafeDumper, sort_keys=False)
