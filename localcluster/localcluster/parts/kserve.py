"""KServe in Standard mode, a gateway, names for Services, and a GPU that exists on paper."""

from __future__ import annotations

import shutil

from .. import binaries, manifests, processes
from ..api import answers
from . import gateway, names
from .bringup import Bringup

RECORD = "/api/v1/namespaces/kube-system/configmaps/localcluster"
GPU = "nvidia.com/gpu"
KINDS = ("clusterstoragecontainers.serving.kserve.io", "inferenceservices.serving.kserve.io")
MANAGER = "kserve-manager"


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
    bringup.apply(rendered / manifests.CRDS)
    documents = manifests.with_webhooks_at(
        manifests.load_all((rendered / manifests.KSERVE).read_text()),
        "https://127.0.0.1:9443",
        authority.encode(),
    )
    bringup.wait_for_kinds(KINDS)
    bringup.configure({manifests.KSERVE: manifests.dump_all(documents)})
    bringup.apply(bringup.instance.config / manifests.KSERVE)
    api.apply(RECORD, record(content))


def record(content: str) -> dict[str, object]:
    """Return what is remembered in the cluster: which manifests it has."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "localcluster", "namespace": "kube-system"},
        "data": {"manifests": content},
    }


def _start_manager(bringup: Bringup) -> None:
    instance = bringup.instance
    place = instance.config / "kserve" / "k8s-webhook-server" / "serving-certs"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(instance.pki / "webhook.crt", place / "tls.crt")
    shutil.copy(instance.pki / "webhook.key", place / "tls.key")
    bringup.run(processes.kserve_manager(instance, bringup.find))
    _await_manager(bringup)


def restart_manager(bringup: Bringup) -> None:
    """Start the manager anew: it watches Knative's kinds only if they are there when it starts."""
    bringup.node.stop(MANAGER)
    bringup.node.start(MANAGER)
    _await_manager(bringup)


def _await_manager(bringup: Bringup) -> None:
    url = f"http://{bringup.instance.addresses.node}:{processes.KSERVE_HEALTH_PORT}/readyz"
    bringup.wait(MANAGER, "KServe's manager is ready", lambda: answers(url))


def _advertise_gpu(bringup: Bringup) -> None:
    # The kubelet drops what it does not know when it starts, so this is said after each start.
    path = f"/api/v1/nodes/{bringup.instance.node_name}/status"
    bringup.api().merge(path, {"status": {"capacity": {GPU: "1"}, "allocatable": {GPU: "1"}}})
