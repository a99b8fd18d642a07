"""What an instance is: its name, its addresses, and the names of all that it owns. Pure.

One /16 a cluster, split in three:

    10.200.0.0/16 ─┬─ 10.200.0.0/17     pods
                   ├─ 10.200.128.0/18   services (the first: the API server, the tenth: DNS)
                   └─ 10.200.192.0/30   the link: .1 the host's end, .2 the node
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from .errors import ClusterError

# The last two are set aside for tests of network devices, so no private network uses them.
CANDIDATES = tuple(
    IPv4Network(text)
    for text in (
        *(f"10.{second}.0.0/16" for second in range(200, 216)),
        *(f"172.{second}.0.0/16" for second in range(24, 30)),
        "198.18.0.0/16",
        "198.19.0.0/16",
    )
)
# Part of a network link's name, which has at most 15 characters.
NAME = re.compile(r"[a-z][a-z0-9-]{0,10}[a-z0-9]|[a-z]")


class Part(IntEnum):
    """How much of a cluster there is; each has all that the ones before it have."""

    APISERVER = 1
    NODE = 2
    KSERVE = 3


class Addition(StrEnum):
    """What a cluster may have besides; only those that ask for it build and run it."""

    KNATIVE = "knative"
    PROMETHEUS = "prometheus"


# How much of a cluster each addition stands on.
NEEDED_PART = {Addition.KNATIVE: Part.KSERVE, Addition.PROMETHEUS: Part.NODE}
PROMETHEUS_PORT = 9090


@dataclass(frozen=True)
class Addresses:
    """The addresses of one instance, all inside one /16."""

    network: IPv4Network

    @property
    def pods(self) -> IPv4Network:
        """The range that pods get addresses from."""
        return next(self.network.subnets(new_prefix=17))

    @property
    def services(self) -> IPv4Network:
        """The range of ClusterIPs."""
        return list(self.network.subnets(new_prefix=18))[2]

    @property
    def link(self) -> IPv4Network:
        """The two addresses of the link between host and node."""
        return next(list(self.network.subnets(new_prefix=18))[3].subnets(new_prefix=30))

    @property
    def host(self) -> IPv4Address:
        """The host's end of the link."""
        return self.link[1]

    @property
    def node(self) -> IPv4Address:
        """The node."""
        return self.link[2]

    @property
    def kubernetes(self) -> IPv4Address:
        """The ClusterIP of the API server."""
        return self.services[1]

    @property
    def dns(self) -> IPv4Address:
        """The ClusterIP of the name server."""
        return self.services[10]


@dataclass(frozen=True)
class Instance:
    """One cluster: its name, its folder and its addresses."""

    name: str
    folder: Path
    addresses: Addresses
    audit: bool = False
    additions: frozenset[Addition] = frozenset()

    @property
    def link_name(self) -> str:
        """The host's end of the link."""
        return f"lc-{self.name}"

    @property
    def node_name(self) -> str:
        """The node's name in Kubernetes and its host name."""
        return f"{self.name}-node"

    @property
    def cgroup(self) -> str:
        """The name of the control group that holds every pod."""
        return f"localcluster-{self.name}"

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://{self.addresses.node}:6443"

    @property
    def gateway_url(self) -> str:
        """The URL of the gateway. Contour maps a listener's port 80 to 8080 of the proxy."""
        return f"http://{self.addresses.node}:8080"

    @property
    def prometheus_url(self) -> str:
        """The URL of Prometheus, for the host and for pods; answered where it was asked for."""
        return f"http://{self.addresses.node}:{PROMETHEUS_PORT}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.folder / "pki"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.folder / "logs"

    @property
    def audit_log(self) -> Path:
        """Who asked the API server for what; written where it was asked for."""
        return self.logs / "audit.log"

    @property
    def config(self) -> Path:
        """Rendered configuration files and kubeconfigs of the parts."""
        return self.folder / "config"

    @property
    def data(self) -> Path:
        """What `up --fresh` starts without: etcd's data, the kubelet's state."""
        return self.folder / "data"

    @property
    def volumes(self) -> Path:
        """The folders behind the PersistentVolumes."""
        return self.folder / "volumes"

    @property
    def images(self) -> Path:
        """Containerd's root: images that were loaded stay there between runs."""
        return self.folder / "containerd"


def checked_name(name: str) -> str:
    """Return the name if an instance may have it.

    Raises:
        ClusterError: it may not.
    """
    if not NAME.fullmatch(name):
        raise ClusterError(
            f"{name!r} cannot be the name of a cluster: use 1 to 12 lower-case letters, digits and "
            "dashes, beginning with a letter and not ending with a dash"
        )
    return name


def choose_network(taken: Sequence[IPv4Network]) -> IPv4Network:
    """Return the first range that overlaps no network in use.

    Raises:
        ClusterError: there is none.
    """
    for candidate in CANDIDATES:
        if not clashes(candidate, taken):
            return candidate
    raise ClusterError(
        f"every address range from {CANDIDATES[0]} to {CANDIDATES[-1]} is in use on this machine "
        "(`ip route`); choose a free /16 with `up --network`"
    )


def clashes(network: IPv4Network, taken: Iterable[IPv4Network]) -> list[IPv4Network]:
    """Return the networks in use that overlap this one; a default route overlaps nothing."""
    return [other for other in taken if other.prefixlen > 0 and network.overlaps(other)]


def checked_network(text: str) -> IPv4Network:
    """Return the /16 that a person asked for.

    Raises:
        ClusterError: it is not a /16.
    """
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise ClusterError(
            f"{text!r} is not an address range ({error}); say 10.77.0.0/16"
        ) from None
    if network.prefixlen != 16:
        raise ClusterError(f"a cluster needs a range of 65,536 addresses; {text} is not a /16")
    return network
