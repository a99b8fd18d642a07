"""What the commands say of themselves: help, completion, documentation, connections."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.cli.builders import model
from tests.cli.fake import FakeCluster, cli

from mt_cli.__main__ import COMMANDS
from mt_cli.arguments import parser_of
from mt_cli.completion import complete
from mt_cli.connect import Connection, connect
from mt_cli.errors import CliError, Code
from mt_cli.kube import HttpKube
from mt_cli.output import Output
from mt_cli.session import Session

ROOT = Path(__file__).parents[2]
PATHS = [str(ROOT / part) for part in ("crds", "operator", "cli")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_example_can_be_typed(command: Any) -> None:
    for example in command.examples:
        name, *words = shlex.split(example)
        assert name == command.name
        assert parser_of(command).parse_args(words)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_examples(command: Any) -> None:
    help = parser_of(command).format_help()
    assert "examples:\n  kubectl translation " in help
    assert "--kubeconfig" in help


def test_the_documentation_is_what_make_docs_writes() -> None:
    made = subprocess.run(
        [sys.executable, "cli/reference.py"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": ":".join(PATHS), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert made.stdout == (ROOT / "docs" / "cli.md").read_text(), "run make docs"


def completions(*typed: str, cluster: FakeCluster | None = None) -> list[str]:
    found = cluster or FakeCluster()
    if cluster is None:
        found.add("translationmodels", model(), model(name="pt-fr"), model(name="de-en"))
    client = httpx.Client(base_url="https://x", transport=httpx.MockTransport(found.handle))
    session = Session(lambda: Connection(HttpKube(client), "team-a"), Output())
    return complete(session, COMMANDS, typed)


COMPLETED = [
    pytest.param(["re"], ["report", "retry", "resume", "retrain", ":4"], id="a command"),
    pytest.param(["status", "pt"], ["pt-en", "pt-fr", ":4"], id="a model"),
    pytest.param(["status", "-n", "other", ""], [":4"], id="a model of another namespace"),
    pytest.param(["promote", "pt-en", "--f"], ["--full", ":4"], id="an option"),
    pytest.param(["list", "-o", ""], ["table", "json", "yaml", ":4"], id="a choice"),
    pytest.param(["list", "--kubeconfig", ""], [":0"], id="a file of an option"),
    pytest.param(["lint", ""], [":0"], id="a file"),
    pytest.param(["bogus", ""], [":4"], id="nothing"),
]


@pytest.mark.parametrize(("typed", "expected"), COMPLETED)
def test_a_shell_completes(typed: list[str], expected: list[str]) -> None:
    assert completions(*typed) == expected


def test_a_cluster_out_of_reach_completes_nothing() -> None:
    assert completions("status", "", cluster=FakeCluster(kinds=set())) == [":4"]


def kubeconfig(folder: Path, **user: Any) -> str:
    """Write a kubeconfig with two contexts."""
    server = {"server": "https://one.test:6443", "insecure-skip-tls-verify": True}
    contexts = [
        {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}},
        {"name": "two", "context": {"cluster": "c", "user": "u"}},
    ]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": server}],
        "contexts": contexts,
        "users": [{"name": "u", "user": user or {"token": "secret"}}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.mark.parametrize(
    ("context", "namespace"),
    [
        pytest.param(None, "team-a", id="the current context's"),
        pytest.param("two", "default", id="default, where a context names none"),
    ],
)
def test_the_namespace_is_the_contexts(tmp_path: Path, context: str | None, namespace: str) -> None:
    found = connect(kubeconfig(tmp_path), context)
    assert found.namespace == namespace
    assert str(found.kube.client.base_url) == "https://one.test:6443"
    assert found.kube.client.headers["Authorization"] == "Bearer secret"


def test_a_credential_plugin_is_asked(tmp_path: Path) -> None:
    answer = (
        '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
        ' "status": {"token": "fresh"}}'
    )
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "echo",
        "args": [answer],
        "interactiveMode": "Never",
    }
    found = connect(kubeconfig(tmp_path, exec=plugin), None)
    assert found.kube.client.headers["Authorization"] == "Bearer fresh"


def test_somebody_else_may_be_acted_for(tmp_path: Path) -> None:
    found = connect(kubeconfig(tmp_path), None, "alice")
    assert found.kube.client.headers["Impersonate-User"] == "alice"


@pytest.mark.parametrize("context", [None, "nope"])
def test_no_such_cluster_says_what_to_name(tmp_path: Path, context: str | None) -> None:
    path = kubeconfig(tmp_path) if context else str(tmp_path / "nope")
    with pytest.raises(CliError, match="--context") as caught:
        connect(path, context)
    assert caught.value.code is Code.USAGE


def test_an_api_server_that_is_away_is_named(tmp_path: Path) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    cluster = FakeCluster(answers=[away])
    result = cli(cluster, "list")
    assert result.code == Code.ERROR
    assert "cannot reach the API server at https://cluster.test" in result.err


def test_what_is_no_api_server_is_told() -> None:
    cluster = FakeCluster(answers=[lambda request: httpx.Response(200, text="<html>")])
    assert "is it an API server?" in cli(cluster, "list").err
