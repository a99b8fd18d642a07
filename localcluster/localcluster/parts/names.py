"""Names of Services inside the cluster: CoreDNS, as a process of the node."""

from __future__ import annotations

from .. import configs, processes
from ..api import answers
from ..instance import Instance
from .bringup import Bringup


def start(bringup: Bringup) -> None:
    """Have CoreDNS running, and pods asking it."""
    with bringup.progress.step("names of Services answered"):
        _start(bringup)


def _start(bringup: Bringup) -> None:
    instance, api = bringup.instance, bringup.api()
    base = "/namespaces/kube-system"
    api.apply(f"/api/v1{base}/services/kube-dns", dns_service(instance))
    path = f"/apis/discovery.k8s.io/v1{base}/endpointslices/kube-dns-node"
    api.apply(path, dns_endpoints(instance))
    bringup.run(processes.coredns(instance, bringup.find))
    url = f"http://{instance.addresses.node}:{processes.COREDNS_READY_PORT}/ready"
    bringup.wait("coredns", "the name server is ready", lambda: answers(url))


def dns_service(instance: Instance) -> dict[str, object]:
    """Return the Service that pods ask for names; without selector, since no pod is behind it."""
    ports = [
        {"name": name, "port": 53, "targetPort": configs.DNS_PORT, "protocol": protocol}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": str(instance.addresses.dns), "ports": ports},
    }


def dns_endpoints(instance: Instance) -> dict[str, object]:
    """Return what is behind it: a process of the node."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns-node",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "ports": [
            {"name": name, "port": configs.DNS_PORT, "protocol": protocol}
            for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
        ],
        "endpoints": [{"addresses": [str(instance.addresses.node)], "conditions": {"ready": True}}],
    }
