"""An API server with both definitions installed, for the whole session."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.crds.apiserver import Api

ROOT = Path(__file__).parents[2]
CLUSTER = ["-m", "localcluster"]
NAME = ["--name", "test-crds"]


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """Yield the kubeconfig of KUBECONFIG_APISERVER, or of an API server that is started for it."""
    if given := os.environ.get("KUBECONFIG_APISERVER"):
        yield Path(given)
        return
    made = subprocess.run(
        ["make", "--silent", "venv-localcluster"], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    python = Path(made.stdout.split()[-1], "bin", "python")

    def localcluster(*arguments: str) -> str:
        done = subprocess.run(
            [python, *CLUSTER, *arguments, *NAME],
            env=os.environ | {"PYTHONPATH": str(ROOT / "localcluster")},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert done.returncode == 0, f"localcluster {arguments[0]} failed: see above"
        return done.stdout.strip()

    try:
        localcluster("up", "--parts", "apiserver", "--fresh")
        yield Path(localcluster("kubeconfig"))
    finally:
        localcluster("down", "--purge")


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Api:
    """Return a client of an API server that has both definitions."""
    api = Api(kubeconfig)
    for name in ("translationmodels", "trainingruns"):
        api.install(yaml.safe_load((ROOT / "crds" / f"{name}.yaml").read_text()))
    return api
