"""A real predictor in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
MODEL = "toy"
# The SDK takes seconds to compile: once, outside the checkout.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
COMPILED = _CACHE / "translation-operator" / "pycache"
STARTS_WITHIN = 120  # seconds; on an idle machine it takes two


@dataclass(frozen=True)
class Running:
    """A predictor that is ready."""

    url: str
    metrics_url: str
    grpc: str  # host:port
    process: subprocess.Popen[bytes]
    log: Path
    client: httpx.Client  # making one takes longer than a translation

    def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        return self.client.post(f"{self.url}{path}", content=body, headers=headers)

    def get(self, url: str) -> httpx.Response:
        return self.client.get(url)

    def metrics(self) -> dict[str, float]:
        """Return every sample of the metrics page by its name and labels."""
        lines = self.get(self.metrics_url).text.splitlines()
        rows = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in rows}


def environment(folder: Path, **own: str) -> dict[str, str]:
    """Return the environment of a predictor program whose last words go to ``folder``."""
    (folder / "termination-log").touch()
    base = {key: value for key, value in os.environ.items() if not key.startswith("MT_")}
    return base | {
        "PYTHONPATH": f"{ROOT / 'crds'}:{ROOT / 'corpus'}:{ROOT / 'predictor'}",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(COMPILED),
        "MT_TERMINATION_LOG": str(folder / "termination-log"),
        **own,
    }


def program(folder: Path, *arguments: str, **own: str) -> subprocess.CompletedProcess[str]:
    """Run a subcommand to its end."""
    return subprocess.run(
        [sys.executable, "-m", "mt_predictor", *arguments],
        env=environment(folder, **own),
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN,
        check=False,
    )


@contextmanager
def serving(artifact: Path, folder: Path, **own: str) -> Iterator[Running]:
    """Start a predictor, wait until it is ready, and kill it at the end."""
    http, grpc, metrics = free_ports(3)
    engine = {"engine": "CTranslate2", "precision": "Float32", "beamSize": 2}
    env = environment(
        folder,
        **{
            "MT_MODEL_DIR": str(artifact),
            "MT_REVISION": "r-toy",
            "MT_ENGINE": json.dumps(engine),
            "MT_DRAIN_SECONDS": "1",
            **own,
        },
    )
    log = folder / "log"
    ports = [f"--http_port={http}", f"--grpc_port={grpc}", f"--metrics_port={metrics}"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "mt_predictor", "serve", f"--model_name={MODEL}", *ports],
            env=env,
            stdout=stream,
            stderr=stream,
        )
    running = Running(
        f"http://127.0.0.1:{http}",
        f"http://127.0.0.1:{metrics}/metrics",
        f"127.0.0.1:{grpc}",
        process,
        log,
        httpx.Client(timeout=60, verify=False),
    )
    try:
        _wait_until_ready(running)
        yield running
    finally:
        running.client.close()
        process.kill()
        process.wait()


def labels(name: str, **values: str) -> str:
    """Return how a sample is named on the metrics page."""
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(values.items()))
    return f"{name}{{{inside}}}"


def predict(*instances: object, **rest: object) -> bytes:
    """Return the body of a V1 request."""
    return json.dumps({"instances": list(instances), **rest}).encode()


def infer(data: object, shape: list[int], **input_: object) -> bytes:
    """Return the body of a V2 request."""
    tensor: Mapping[str, object] = {
        "name": "text",
        "datatype": "BYTES",
        "shape": shape,
        "data": data,
        **input_,
    }
    return json.dumps({"id": "42", "inputs": [tensor]}).encode()


def _wait_until_ready(running: Running) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            break
        try:
            if running.get(f"{running.url}/v2/health/ready").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the predictor did not start:\n{running.log.read_text()}")
