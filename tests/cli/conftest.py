"""An API server with our definitions, roles and admission policy, for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.installed import Installed, install
from tests.crds.apiserver import running


@pytest.fixture(scope="session")
def installed() -> Iterator[Installed]:
    """Yield an API server on which everything but the operator itself is installed."""
    with running("test-cli") as kubeconfig:
        yield install(Path(kubeconfig))
