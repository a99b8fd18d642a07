"""A whole node: controllers, container runtime, kubelet and service network."""

from __future__ import annotations

from datetime import UTC, datetime

from .. import configs, processes
from ..api import condition
from ..errors import ClusterError
from ..image_store import ImageStore
from ..images import Builder
from ..network import BRIDGE_FILTER, bridges_are_filtered
from .bringup import Bringup


def start(bringup: Bringup) -> None:
    """Have all of it running, and the node Ready."""
    instance, find = bringup.instance, bringup.find
    if not bridges_are_filtered():
        raise ClusterError(
            f"the kernel has no {BRIDGE_FILTER}, which Services need; load the module br_netfilter"
        )
    bringup.configure(configs.node(instance))
    bringup.run(
        processes.containerd(instance, find),
        processes.kube_controller_manager(instance, find),
        processes.kube_scheduler(instance, find),
    )
    store = ImageStore(bringup.node.pid)
    bringup.wait("containerd", "containerd answers", store.answers)
    if configs.PAUSE_IMAGE not in store.digests():
        _load_pause(bringup, store)
    with bringup.progress.step("node ready"):
        bringup.run(processes.kubelet(instance, find), processes.kube_proxy(instance, find))
        bringup.wait("kubelet", "the node is Ready", lambda: is_ready(bringup))


def _load_pause(bringup: Bringup, store: ImageStore) -> None:
    builder = Builder(bringup.cache, bringup.progress)
    builder.prepare()
    builder.ensure_pause()
    store.load(builder, [configs.PAUSE_IMAGE], bringup.progress)


def is_ready(bringup: Bringup) -> bool:
    """Tell whether the kubelet of this very start says that the node is Ready.

    After a restart the API server still has what the last kubelet said.
    """
    found = bringup.api().get(f"/api/v1/nodes/{bringup.instance.node_name}")
    ready = condition(found, "Ready")
    if ready.get("status") != "True":
        return False
    said = datetime.fromisoformat(ready["lastHeartbeatTime"]).astimezone(UTC)
    return said.timestamp() >= int(bringup.booted_at)
