"""Knative Serving as pods of the cluster, on the gateway that everything else uses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .. import knative
from ..api import Api
from ..errors import ClusterError
from ..image_content import ImageBuild
from ..image_store import ImageStore
from ..images import Builder
from ..instance import Instance
from . import kserve
from .bringup import Bringup

RECORD = "localcluster-knative"
RECORD_PATH = f"/api/v1/namespaces/kube-system/configmaps/{RECORD}"
PODS = f"/api/v1/namespaces/{knative.NAMESPACE}/pods"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{knative.NAMESPACE}/deployments"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{knative.NAMESPACE}/leases"
SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"
# It guards the ConfigMaps that are about to be applied, perhaps while nobody answers for it.
CONFIG_WEBHOOK = (
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/"
    "config.webhook.serving.knative.dev"
)
KINDS = (
    "images.caching.internal.knative.dev",
    "ingresses.networking.internal.knative.dev",
    "services.serving.knative.dev",
)
PODS_SECONDS = 180
# Its certificates are made and handed to the API server a moment after its pods are ready.
WEBHOOK_SECONDS = 60


def start(bringup: Bringup) -> None:
    """Have all of it running and ready, and KServe's manager aware of it."""
    knative.render(bringup.cache, bringup.progress)
    _load_images(bringup)
    with bringup.progress.step("Knative ready"):
        api, content = bringup.api(), knative.folder(bringup.cache).name
        installed = ((api.get(RECORD_PATH) or {}).get("data") or {}).get("manifests") == content
        _forget_dead_leaders(api, bringup.booted_at)
        if not installed:
            _install(bringup)
        bringup.wait("kubelet", "Knative's pods are ready", lambda: _ready(bringup), PODS_SECONDS)
        if not installed:
            bringup.apply(knative.folder(bringup.cache) / knative.WEBHOOKS)
        bringup.wait("kubelet", "Knative takes Services", lambda: _admits(api), WEBHOOK_SECONDS)
        if not installed:
            kserve.restart_manager(bringup)
            # Written last: whatever was interrupted is done again.
            api.apply(RECORD_PATH, record(content))


def _load_images(bringup: Bringup) -> None:
    store = ImageStore(bringup.node.pid)
    there = store.digests()
    missing = {name: tag for name, tag in knative.images(bringup.cache).items() if tag not in there}
    if not missing:
        return
    builder = Builder(bringup.cache, bringup.progress)
    builder.prepare()
    for name, tag in missing.items():
        builder.build(_image(bringup, name, tag))
    store.load(builder, list(missing.values()), bringup.progress)


def _image(bringup: Bringup, name: str, tag: str) -> ImageBuild:
    place = bringup.cache.images / "knative"
    place.mkdir(parents=True, exist_ok=True)
    dockerfile = place / f"{name}.Dockerfile"
    dockerfile.write_text(knative.dockerfile(name))
    program = bringup.find(name)
    return ImageBuild(tag, dockerfile, program.parent, {"BASE": "scratch"})


def _install(bringup: Bringup) -> None:
    rendered, api = knative.folder(bringup.cache), bringup.api()
    bringup.apply(rendered / knative.CRDS)
    bringup.wait_for_kinds(KINDS)
    api.delete(CONFIG_WEBHOOK)
    bringup.apply(rendered / knative.SETTINGS)
    service = knative.GATEWAY_SERVICE
    base = f"/api/v1/namespaces/{service['namespace']}"
    api.apply(f"{base}/services/{service['name']}", gateway_service())
    api.apply(f"{base}/endpoints/{service['name']}", gateway_endpoints(bringup.instance))
    bringup.apply(rendered / knative.PROGRAMS)


def gateway_service() -> dict[str, object]:
    """Return the Service that Knative's names inside the cluster lead to: the gateway."""
    # Knative looks for a port of this name.
    port = {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": knative.GATEWAY_SERVICE,
        "spec": {"ports": [port]},
    }


def gateway_endpoints(instance: Instance) -> dict[str, object]:
    """Return what is behind it, a process of the node, as the older kind that Knative reads."""
    subset = {
        "addresses": [{"ip": str(instance.addresses.node)}],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": knative.GATEWAY_SERVICE,
        "subsets": [subset],
    }


def record(content: str) -> dict[str, object]:
    """Return what is remembered in the cluster: which of Knative's manifests it has."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": RECORD, "namespace": "kube-system"},
        "data": {"manifests": content},
    }


def _forget_dead_leaders(api: Api, booted_at: float) -> None:
    # Pods of an earlier start hold elections for up to a minute after their end.
    for lease in _items(api, LEASES):
        renewed = lease["spec"].get("renewTime")
        if renewed and seconds(renewed) < booted_at:
            api.delete(f"{LEASES}/{lease['metadata']['name']}")


def _ready(bringup: Bringup) -> bool:
    api = bringup.api()
    deployments = _items(api, DEPLOYMENTS)
    pods = [pod for pod in _items(api, PODS) if "deletionTimestamp" not in pod["metadata"]]
    return all(map(is_rolled_out, deployments)) and all(
        runs_since(pod, bringup.booted_at) for pod in pods
    )


def _items(api: Api, path: str) -> list[dict[str, Any]]:
    return list((api.get(path) or {}).get("items", []))


def is_rolled_out(deployment: dict[str, Any]) -> bool:
    """Tell whether all of a Deployment's pods are of its newest template and available."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    current = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return current and counts == [wanted] * 3


def runs_since(pod: dict[str, Any], booted_at: float) -> bool:
    """Tell whether a pod's containers are ready and were started by this very start of the node.

    After a restart the API server still has what was true before.
    """
    containers = pod.get("status", {}).get("containerStatuses", [])
    return bool(containers) and all(
        container["ready"]
        and seconds(container["state"].get("running", {}).get("startedAt", "")) >= int(booted_at)
        for container in containers
    )


def seconds(timestamp: str) -> float:
    """Return a timestamp of the API as seconds since the epoch; 0 for none."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0


def _admits(api: Api) -> bool:
    container = {"image": "localhost/any:1"}
    document = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "localcluster-asks"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    try:
        api.create(SERVICES, document, dry_run=True)
    except ClusterError:
        return False
    return True
