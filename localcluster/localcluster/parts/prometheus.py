"""Prometheus, as a process of the node that finds the pods to scrape by itself."""

from __future__ import annotations

from .. import configs, processes
from ..api import answers
from ..instance import PROMETHEUS_PORT, Instance
from .bringup import Bringup

NAMESPACE = "monitoring"
NAME = "prometheus"


def start(bringup: Bringup) -> None:
    """Have it running and ready, and pods reaching it by name."""
    instance, api = bringup.instance, bringup.api()
    with bringup.progress.step("Prometheus ready"):
        bringup.configure(configs.prometheus(instance))
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        api.apply(f"/api/v1/namespaces/{NAMESPACE}", namespace)
        api.apply(f"/api/v1/namespaces/{NAMESPACE}/services/{NAME}", service())
        path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices/{NAME}-node"
        api.apply(path, endpoints(instance))
        bringup.run(processes.prometheus(instance, bringup.find))
        ready = f"{instance.prometheus_url}/-/ready"
        bringup.wait("prometheus", "Prometheus is ready", lambda: answers(ready))


def service() -> dict[str, object]:
    """Return the Service for pods, `prometheus.monitoring`: no pod is behind it."""
    port = {"name": "web", "port": PROMETHEUS_PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"ports": [port]},
    }


def endpoints(instance: Instance) -> dict[str, object]:
    """Return what is behind it: a process of the node."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{NAME}-node",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": NAME},
        },
        "addressType": "IPv4",
        "ports": [{"name": "web", "port": PROMETHEUS_PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [str(instance.addresses.node)], "conditions": {"ready": True}}],
    }
