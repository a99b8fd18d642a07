"""The link between host and node, and the two routes through it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from ipaddress import IPv4Network
from pathlib import Path

from .commands import run
from .errors import ClusterError
from .instance import Instance, clashes

# A link lives on for a moment after the last process of its other end is gone.
LINK_GONE_SECONDS = 10.0
BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def taken_networks(routes: str, addresses: str, but_for: str = "") -> list[IPv4Network]:
    """Return the IPv4 networks in use on the host.

    Args:
        routes: what `ip -json -4 route show` prints.
        addresses: what `ip -json -4 address show` prints.
        but_for: a link whose own routes and addresses do not count.
    """
    found = [
        IPv4Network(route["dst"])
        for route in json.loads(routes or "[]")
        if route["dst"] != "default" and route.get("dev") != but_for
    ]
    found += [
        IPv4Network(f"{info['local']}/{info['prefixlen']}", strict=False)
        for link in json.loads(addresses or "[]")
        if link.get("ifname") != but_for
        for info in link.get("addr_info", [])
        if "local" in info
    ]
    return found


def networks_in_use(but_for: str = "") -> list[IPv4Network]:
    """Return the networks that the host's routes and addresses use now."""
    return taken_networks(
        run(["ip", "-json", "-4", "route", "show"], what="listing routes"),
        run(["ip", "-json", "-4", "address", "show"], what="listing addresses"),
        but_for,
    )


def check_free(instance: Instance) -> None:
    """Raise `ClusterError` where something else on the host uses the instance's addresses."""
    network = instance.addresses.network
    others = clashes(network, networks_in_use(but_for=instance.link_name))
    if others:
        raise ClusterError(
            f"the cluster {instance.name!r} has the addresses {network}, but this machine now uses "
            f"{', '.join(map(str, others))} for something else (`ip route`, `ip address`); remove "
            f"that, or give the cluster other addresses: `down --purge --name {instance.name}`"
        )


def connect(instance: Instance, pid: int) -> None:
    """Link the host with the network namespace of a process, and route pods and services there."""
    ours = instance.addresses
    link = instance.link_name
    for words in (
        f"link add {link} type veth peer name eth0 netns {pid}",
        f"address add {ours.host}/{ours.link.prefixlen} dev {link}",
        f"link set {link} up",
        f"route add {ours.pods} via {ours.node} dev {link}",
        f"route add {ours.services} via {ours.node} dev {link}",
    ):
        run(["ip", *words.split()], what=f"linking the node of {instance.name!r}")


def exists(link: str) -> bool:
    """Tell whether the host has a link of this name."""
    links = json.loads(run(["ip", "-json", "link", "show"], what="listing links") or "[]")
    return any(entry.get("ifname") == link for entry in links)


def disconnect(instance: Instance) -> None:
    """Remove the link; its routes and the node's end go with it. Nothing happens without one.

    Raises:
        ClusterError: it is still there after some seconds.
    """
    link = instance.link_name
    deadline = time.monotonic() + LINK_GONE_SECONDS
    while exists(link):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"the network link {link} stays; remove it with `ip link del {link}`"
            )
        try:
            run(["ip", "link", "del", link], what=f"removing the link {link}")
        except ClusterError:
            time.sleep(0.1)  # The kernel may be removing it at this moment: look again.


def bridges_are_filtered() -> bool:
    """Tell whether the kernel passes bridged packets to its filters, loading the module if need be.

    Without it a pod that calls itself or a neighbour through a Service gets no answer.
    """
    if not BRIDGE_FILTER.exists() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "br_netfilter"], check=False, capture_output=True)
    return BRIDGE_FILTER.exists()
