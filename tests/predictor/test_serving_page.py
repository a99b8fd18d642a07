"""What docs/serving.md says is so: its commands run as they stand, its tables are the code's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.predictor.running import MODEL, Running

from mt_predictor import guard, kserve_model, parameters, protocol, protocol_v2, translator

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHELL = "\n".join(text for kind, text in BLOCKS if kind == "sh")
PYTHON = [text for kind, text in BLOCKS if kind == "python"]


def run(server: Running, *command: str) -> str:
    """Return what a command of the page prints; it has to succeed."""
    env = os.environ | {"URL": server.url, "GRPC": server.grpc, "MODEL": MODEL}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_pages_commands(server: Running) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed: apt-get install curl")
    printed = run(server, "bash", "-euc", SHELL)
    refused = '{"error":"beam_size has to be a whole number from 1 to 16"}'
    assert refused in printed
    assert '"error"' not in printed.replace(refused, "").replace('"name":"error"', "")
    assert printed.count('"predictions"') == 2
    assert '"data":["' in printed
    assert f'"models":["{MODEL}"]' in printed
    assert printed.count('"ready":true') == 1


@pytest.mark.slow
@pytest.mark.parametrize("program", PYTHON, ids=[f"block {n}" for n in range(1, len(PYTHON) + 1)])
def test_the_pages_programs(server: Running, program: str) -> None:
    assert run(server, sys.executable, "-c", program).strip()


def test_the_pages_clients_are_these() -> None:
    wanted = ["from kserve import", "tritonclient.http", "tritonclient.grpc"]
    assert [name in program for name, program in zip(wanted, PYTHON, strict=True)] == [True] * 3


def test_the_page_names_every_option_and_every_output() -> None:
    names = {*parameters.NAMES, *protocol_v2.OUTPUTS}
    assert [name for name in names if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize(
    "most",
    [
        pytest.param(f"{guard.MAX_BODY_BYTES:,} bytes", id="request"),
        pytest.param(f"within {guard.BODY_SECONDS:.0f} s", id="time"),
        pytest.param(f"{guard.MAX_VALUES:,} JSON values", id="values"),
        pytest.param(f"| {protocol.MAX_INSTANCES:,} |", id="texts"),
        pytest.param(f"{translator.MAX_TEXT_BYTES:,} bytes", id="text"),
        pytest.param(f"{translator.MAX_TEXT_TOKENS:,} tokens", id="tokens"),
        pytest.param(f"| {kserve_model.MAX_ATTENTION:,} |", id="attention"),
        pytest.param(f"{guard.MAX_BYTES_IN_FLIGHT:,} bytes", id="all requests"),
        pytest.param(f"1 to {parameters.MAX_BEAM}", id="beam"),
    ],
)
def test_the_pages_limits(most: str) -> None:
    assert most in PAGE


def test_the_page_names_every_metric(server: Running) -> None:
    lines = server.get(server.metrics_url).text.splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE translation_")}
    users = {name for name in names if not name.startswith("translation_synthetic_")}
    assert users == set(
        re.findall(r"`(translation_[a-z_]+[a-z])`", PAGE.partition("## Metrics")[2])
    )
