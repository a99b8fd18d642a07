"""An API server with both definitions installed, for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.crds.apiserver import ROOT, Api, running


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """Yield the kubeconfig of KUBECONFIG_APISERVER, or of an API server that is started for it."""
    with running("test-crds") as kubeconfig:
        yield kubeconfig


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Api:
    """Return a client of an API server that has both definitions."""
    api = Api(kubeconfig)
    for name in ("translationmodels", "trainingruns"):
        api.install(yaml.safe_load((ROOT / "crds" / f"{name}.yaml").read_text()))
    return api
