"""Names and address ranges."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from localcluster.errors import ClusterError
from localcluster.instance import (
    CANDIDATES,
    Addresses,
    Instance,
    checked_name,
    checked_network,
    choose_network,
    clashes,
)


def instance(name: str = "demo", network: str = "10.200.0.0/16") -> Instance:
    return Instance(name, Path("/cache/clusters") / name, Addresses(IPv4Network(network)))


def test_the_parts_of_a_range_lie_inside_it_and_apart() -> None:
    for network in CANDIDATES:
        ours = Addresses(network)
        parts = [ours.pods, ours.services, ours.link]
        assert all(part.subnet_of(network) for part in parts)
        assert not any(a.overlaps(b) for a in parts for b in parts if a is not b)
        assert {ours.host, ours.node} <= set(ours.link)
        assert {ours.kubernetes, ours.dns} <= set(ours.services)


def test_no_two_candidates_overlap() -> None:
    assert len(set(CANDIDATES)) == len(CANDIDATES)
    assert not any(a.overlaps(b) for a in CANDIDATES for b in CANDIDATES if a is not b)


def test_addresses_are_where_the_documentation_says() -> None:
    ours = instance().addresses
    assert ours.pods == IPv4Network("10.200.0.0/17")
    assert ours.services == IPv4Network("10.200.128.0/18")
    assert ours.link == IPv4Network("10.200.192.0/30")
    assert ours.node == IPv4Address("10.200.192.2")
    assert ours.kubernetes == IPv4Address("10.200.128.1")
    assert ours.dns == IPv4Address("10.200.128.10")


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        pytest.param([], "10.200.0.0/16", id="the first where nothing is taken"),
        pytest.param(["0.0.0.0/0"], "10.200.0.0/16", id="a default route takes nothing"),
        pytest.param(["10.200.0.0/16"], "10.201.0.0/16", id="the next after another cluster"),
        pytest.param(["10.200.7.9/32"], "10.201.0.0/16", id="one address takes its whole range"),
        pytest.param(["10.0.0.0/8"], "172.24.0.0/16", id="a company's network takes ten-dot"),
        pytest.param(
            ["10.0.0.0/8", "172.16.0.0/12"], "198.18.0.0/16", id="the device test range is the last"
        ),
    ],
)
def test_a_cluster_gets_the_first_free_range(taken: list[str], chosen: str) -> None:
    assert choose_network([IPv4Network(text) for text in taken]) == IPv4Network(chosen)


def test_without_a_free_range_the_error_names_the_way_out() -> None:
    with pytest.raises(ClusterError, match="--network"):
        choose_network(list(CANDIDATES))


def test_a_clash_names_the_networks_in_use() -> None:
    mine = IPv4Network("10.200.0.0/16")
    others = [IPv4Network(text) for text in ("10.200.4.0/24", "192.168.1.0/24", "0.0.0.0/0")]
    assert clashes(mine, others) == [IPv4Network("10.200.4.0/24")]


@pytest.mark.parametrize("name", ["demo", "test", "a", "a1-b2", "twelve-chars"])
def test_names_that_are_allowed(name: str) -> None:
    assert checked_name(name) == name
    # A link's name has at most 15 characters.
    assert len(instance(name).link_name) <= 15


@pytest.mark.parametrize(
    "name", ["", "Demo", "1st", "-a", "a-", "a_b", "a/b", "..", "thirteen-char", "a b", "é"]
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="cannot be the name"):
        checked_name(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("10.77.0.0/24", "not a /16", id="too small"),
        pytest.param("10.0.0.0/8", "not a /16", id="too large"),
        pytest.param("10.77.1.0/16", "not an address range", id="an address inside a range"),
        pytest.param("nonsense", "not an address range", id="no address at all"),
    ],
)
def test_a_range_of_the_wrong_kind_is_refused(text: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        checked_network(text)


def test_two_instances_share_nothing() -> None:
    one, two = instance("one", "10.200.0.0/16"), instance("two", "10.201.0.0/16")
    for name in ("link_name", "node_name", "cgroup", "server", "kubeconfig", "logs", "volumes"):
        assert getattr(one, name) != getattr(two, name)
