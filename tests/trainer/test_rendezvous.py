from __future__ import annotations

import json
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.ports import free_ports

from mt_contract.errors import ConfigurationError, DataError, NodesError
from mt_trainer.config import Node
from mt_trainer.rendezvous import Facts, Patience, meet

SAME = {"text": "sha256:1", "recipe": "sha256:2"}


def start(
    pool: ThreadPoolExecutor, port: int, facts: dict[int, Facts], count: int
) -> list[Future[str]]:
    """Let nodes meet, those that ``facts`` names."""
    return [
        pool.submit(meet, Node(i, count, f"localhost:{port}"), said, Patience(30, sleep=_briefly))
        for i, said in facts.items()
    ]


def _briefly(_: float) -> None:
    time.sleep(0.01)


@pytest.mark.parametrize(
    "order",
    [
        pytest.param([0, 1, 2], id="the first node first"),
        pytest.param([2, 1, 0], id="the first node last"),
    ],
)
def test_nodes_meet_whoever_comes_first(order: list[int]) -> None:
    port = free_ports(1)[0]
    with ThreadPoolExecutor(3) as pool:
        found = [f.result() for f in start(pool, port, dict.fromkeys(order, SAME), 3)]
    assert {address.rpartition(":")[2] for address in found} == {str(port)}


def test_a_node_that_comes_again_takes_its_own_place() -> None:
    port = free_ports(1)[0]
    with ThreadPoolExecutor(3) as pool:
        first = start(pool, port, {0: SAME}, 3)
        gone = socket.create_connection(("127.0.0.1", port), _until_there(port))
        gone.sendall(json.dumps({"node": 1, "facts": SAME}).encode() + b"\n")
        others = start(pool, port, {1: SAME, 2: SAME}, 3)
        assert all(f.result() for f in [*first, *others])
        gone.close()


def _until_there(port: int) -> float:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionError:
            _briefly(0)
        else:
            return 5.0


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param(
            {0: SAME, 1: SAME, 2: SAME | {"text": "sha256:9"}},
            "not the same text: node 0 sha256:1, node 2 sha256:9;",
            id="other text",
        ),
        pytest.param(
            {0: SAME, 1: SAME | {"recipe": "x"}, 2: SAME},
            "not the same recipe: node 0 sha256:2, node 1 x;",
            id="another recipe",
        ),
        pytest.param({0: SAME, 1: {}, 2: SAME}, "node 1 None", id="nothing said"),
    ],
)
def test_nodes_that_differ_are_named_to_all(facts: dict[int, Facts], words: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        for future in start(pool, free_ports(1)[0], facts, 3):
            with pytest.raises(DataError, match=words):
                future.result()


@pytest.mark.parametrize(
    ("index", "coordinator", "words"),
    [
        pytest.param(0, "localhost:{}", "node 1, 2 of 3 did not come", id="the others"),
        pytest.param(1, "localhost:{}", "node 0 of 3 at localhost:.* did not", id="the first"),
        pytest.param(1, "nowhere.invalid:{}", "nowhere.invalid", id="a name nobody knows"),
    ],
)
def test_who_is_missing_is_named(index: int, coordinator: str, words: str) -> None:
    ticks = iter(range(10**6))
    patience = Patience(4, clock=lambda: float(next(ticks)), sleep=lambda _: None)
    with pytest.raises(NodesError, match=words):
        meet(Node(index, 3, coordinator.format(free_ports(1)[0])), SAME, patience)


def test_strangers_are_not_counted() -> None:
    port = free_ports(1)[0]
    with ThreadPoolExecutor(2) as pool:
        first = start(pool, port, {0: SAME}, 2)
        for said in (b"GET / HTTP/1.1\r\n", b'{"node": 7, "facts": {}}\n', b"[]\n", b"{}\n"):
            with socket.create_connection(("127.0.0.1", port), _until_there(port)) as stranger:
                stranger.sendall(said)
        assert all(f.result() for f in [*first, *start(pool, port, {1: SAME}, 2)])


@pytest.mark.parametrize(
    "node",
    [
        pytest.param(Node(0, 2, ""), id="no address"),
        pytest.param(Node(0, 2, "host"), id="no port"),
        pytest.param(Node(2, 2, "host:1"), id="one node too many"),
    ],
)
def test_a_place_that_is_none_is_refused(node: Node) -> None:
    with pytest.raises(ConfigurationError, match="MT_COORDINATOR"):
        meet(node, SAME)
