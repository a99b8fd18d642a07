"""KServe in Standard mode, a gateway, names for Services, and a GPU that exists on paper."""

from __future__ import annotations

import shutil
from pathlib import Path

from .. import binaries, manifests, processes
from ..api import Api, answers, condition
from ..commands import run
from . import gateway, names
from .bringup import Bringup

RECORD = "/api/v1/namespaces/kube-system/configmaps/localcluster"
GPU = "nvidia.com/gpu"


def start(bringup: Bringup) -> None:
    """Have all of it running and ready."""
    manifests.render(bringup.cache, bringup.progress)
    with bringup.progress.step("KServe ready"):
        _install(bringup)
        _start_manager(bringup)
    gateway.start(bringup)
    names.start(bringup)
    _advertise_gpu(bringup)


def _install(bringup: Bringup) -> None:
    rendered = manifests.folder(bringup.cache)
    api = bringup.api()
    authority = (bringup.instance.pki / "ca.crt").read_text()
    content = binaries.digest(rendered.name, authority)
    if ((api.get(RECORD) or {}).get("data") or {}).get("manifests") == content:
        return
    for name in ("kserve", "projectcontour"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        api.apply(f"/api/v1/namespaces/{name}", namespace)
    _apply(bringup, rendered / manifests.CRDS)
    documents = manifests.with_webhooks_at(
        manifests.load_all((rendered / manifests.KSERVE).read_text()),
        "https://127.0.0.1:9443",
        authority.encode(),
    )
    bringup.wait("kube-apiserver", "KServe's kinds are served", lambda: _established(api))
    bringup.configure({manifests.KSERVE: manifests.dump_all(documents)})
    _apply(bringup, bringup.instance.config / manifests.KSERVE)
    api.apply(RECORD, record(content))


def record(content: str) -> dict[str, object]:
    """Return what is remembered in the cluster: which manifests it has."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "localcluster", "namespace": "kube-system"},
        "data": {"manifests": content},
    }


def _established(api: Api) -> bool:
    kinds = ("clusterstoragecontainers.serving.kserve.io", "inferenceservices.serving.kserve.io")
    base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
    return all(
        condition(api.get(base + kind), "Established").get("status") == "True" for kind in kinds
    )


def _apply(bringup: Bringup, file: Path) -> None:
    instance = bringup.instance
    run(
        [
            binaries.kubectl(bringup.cache, bringup.progress), "apply", "--server-side",
            "--force-conflicts", "--kubeconfig", instance.kubeconfig,
            "--cache-dir", instance.data / "kubectl", "--filename", file,
        ],
        what=f"applying {file.name}",
    )  # fmt: skip


def _start_manager(bringup: Bringup) -> None:
    instance = bringup.instance
    place = instance.config / "kserve" / "k8s-webhook-server" / "serving-certs"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(instance.pki / "webhook.crt", place / "tls.crt")
    shutil.copy(instance.pki / "webhook.key", place / "tls.key")
    bringup.run(processes.kserve_manager(instance, bringup.find))
    url = f"http://{instance.addresses.node}:{processes.KSERVE_HEALTH_PORT}/readyz"
    bringup.wait("kserve-manager", "KServe's manager is ready", lambda: answers(url))


def _advertise_gpu(bringup: Bringup) -> None:
    # The kubelet drops what it does not know when it starts, so this is said after each start.
    path = f"/api/v1/nodes/{bringup.instance.node_name}/status"
    bringup.api().merge(path, {"status": {"capacity": {GPU: "1"}, "allocatable": {GPU: "1"}}})
