"""etcd and the API server: enough for schemas, validation rules and clients."""

from __future__ import annotations

from .. import configs, processes
from .bringup import Bringup


def start(bringup: Bringup) -> None:
    """Have both running, and the API server ready."""
    instance, find = bringup.instance, bringup.find
    with bringup.progress.step("API server ready"):
        bringup.configure(configs.control_plane(instance))
        bringup.run(processes.etcd(instance, find), processes.kube_apiserver(instance, find))
        api = bringup.api()
        bringup.wait("kube-apiserver", "the API server is ready", api.ready)
