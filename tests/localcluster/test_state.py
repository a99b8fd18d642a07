"""What is remembered between commands, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from localcluster import lifecycle, state
from localcluster.__main__ import main, parser
from localcluster.cache import Cache
from localcluster.errors import ClusterError
from localcluster.instance import Addition, Addresses, Instance, Part


def saved(
    cache: Cache, name: str = "demo", *, audit: bool = False, additions: tuple[Addition, ...] = ()
) -> Instance:
    addresses = Addresses(IPv4Network("10.203.0.0/16"))
    made = Instance(name, cache.clusters / name, addresses, audit, frozenset(additions))
    state.save(made)
    return made


def test_an_instance_is_read_as_it_was_written(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = saved(cache, audit=True, additions=(Addition.KNATIVE, Addition.PROMETHEUS))
    assert state.load(cache, "demo") == made
    assert state.names(cache) == ["demo"]


def test_an_instance_from_before_there_were_additions_has_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = saved(cache)
    record = made.folder / state.INSTANCE_FILE
    record.write_text('{"network": "10.203.0.0/16", "audit": false}')
    assert state.load(cache, "demo") == made


def test_an_addition_is_refused_where_less_is_asked_for_than_it_stands_on(tmp_path: Path) -> None:
    knative = frozenset({Addition.KNATIVE})
    request = lifecycle.Request("demo", Part.NODE, additions=knative)
    with pytest.raises(ClusterError, match="--knative needs a cluster with --parts kserve"):
        lifecycle.checked(request)


def test_an_instance_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    saved(cache, "test")
    assert state.load(cache, "demo") is None
    with pytest.raises(ClusterError, match=r"no cluster 'demo' \(there are: test\)"):
        state.require(cache, "demo")


def test_a_running_process_is_the_node_and_an_ended_one_is_not(tmp_path: Path) -> None:
    made = saved(Cache(tmp_path))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        node = state.save_node(made, process.pid)
        assert state.load_node(made) == node
        assert not node.complete
        assert state.save_complete(made, node).complete
        process.kill()
        process.wait()
        assert state.load_node(made) is None
    state.forget_node(made)
    assert state.load_node(made) is None


def test_another_process_with_the_same_number_is_not_the_node() -> None:
    mine = state.NodeProcess(os.getpid(), state.start_time(os.getpid()) or "", 0.0)
    assert mine.alive
    assert not state.NodeProcess(os.getpid(), "another boot/1", 0.0).alive


def test_a_node_that_never_ran_is_named_with_its_log(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with pytest.raises(ClusterError, match=r"node\.log"):
        state.save_node(saved(Cache(tmp_path)), process.pid)


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with state.locked(Cache(tmp_path), "x"):
            pass


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["up", "--name", "test", "--parts", "apiserver", "--audit"], id="up"),
        pytest.param(["down", "--purge"], id="down"),
        pytest.param(["status"], id="status"),
        pytest.param(["build", "--parts", "node"], id="build"),
        pytest.param(["build-image", "-f", "D", "-t", "x", "--build-arg", "A=b", "."], id="image"),
        pytest.param(["load-image", "localhost/a:1", "localhost/b:1"], id="load"),
        pytest.param(["volume", "--namespace", "n", "--claim", "c", "--from", "d"], id="volume"),
        pytest.param(["logs", "kubelet"], id="logs"),
        pytest.param(["stop", "kube-apiserver"], id="stop"),
    ],
)
def test_commands_are_understood(argv: list[str]) -> None:
    assert callable(parser().parse_args(argv).run)


def test_an_unknown_cluster_is_an_error_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["kubeconfig", "--name", "nowhere"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "there is no cluster 'nowhere'" in captured.err


def test_a_cluster_that_is_down_says_so_by_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    saved(Cache(tmp_path.resolve() / "translation-operator"))
    assert main(["status"]) == 3
    assert "down" in capsys.readouterr().out
