"""What counts as taken on the host."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

from localcluster.network import taken_networks

ROUTES = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
    {"dst": "192.0.2.0/24", "dev": "eth0"},
    {"dst": "10.200.0.0/17", "gateway": "10.200.192.2", "dev": "lc-demo"},
    {"dst": "10.9.8.7", "dev": "tun0"},
]
ADDRESSES = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
    {"ifname": "docker0", "addr_info": [{"local": "172.17.0.1", "prefixlen": 16}]},
    {"ifname": "lc-demo", "addr_info": [{"local": "10.200.192.1", "prefixlen": 30}]},
    {"ifname": "down0", "addr_info": []},
    {},
]


def taken(but_for: str = "") -> set[str]:
    return {str(n) for n in taken_networks(json.dumps(ROUTES), json.dumps(ADDRESSES), but_for)}


def test_routes_and_addresses_are_taken_and_the_default_route_is_not() -> None:
    assert taken() == {
        "192.0.2.0/24", "10.200.0.0/17", "10.9.8.7/32", "127.0.0.0/8", "172.17.0.0/16",
        "10.200.192.0/30",
    }  # fmt: skip


def test_an_instance_does_not_clash_with_its_own_link() -> None:
    assert not any(
        IPv4Network(text).overlaps(IPv4Network("10.200.0.0/16")) for text in taken("lc-demo")
    )


def test_a_host_without_routes_has_nothing_taken() -> None:
    assert taken_networks("", "") == []
