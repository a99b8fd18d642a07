"""An API server with all definitions, and the operator's real rights, for the whole session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.operator.shell.cluster import (
    ROOT,
    SYSTEM,
    Kube,
    documents,
    localcluster,
    localcluster_python,
    rendered_definitions,
    token_kubeconfig,
)
from tests.operator.shell.stage import Stage, until
from tests.operator.shell.world import KINDS, Scenario, World

from mt_operator.shell.errors import ApiError

RIGHTS = ("service_account", "operator", "lease")
CLAIMS = ("corpora", "models")


@dataclass
class Server:
    """The API server of the session."""

    kubeconfig: Path
    audit: Path
    folder: Path
    python: str
    cluster: Callable[..., str]
    namespaces: int = 0
    installed: set[str] = field(default_factory=set)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield an API server that is thrown away afterwards."""
    python = localcluster_python()
    cluster = localcluster(python, f"op-{os.getpid()}")
    try:
        cluster("up", "--parts", "apiserver", "--audit", "--fresh")
        kubeconfig = Path(cluster("kubeconfig"))
        audit = kubeconfig.parent / "logs/audit.log"
        yield Server(kubeconfig, audit, tmp_path_factory.mktemp("operator"), python, cluster)
    finally:
        cluster("down", "--purge")


@pytest.fixture(scope="session")
def foreign_definitions(server: Server) -> list[dict[str, object]]:
    """Return the definitions of KServe and the Gateway API, as the local cluster installs them."""
    return rendered_definitions(server.python)


@pytest.fixture
async def kube(server: Server) -> AsyncIterator[Kube]:
    """Yield a client of the API server, on which our own definitions and rights are installed."""
    kube = Kube(server.kubeconfig, server.folder)
    async with kube.client:
        if "ours" not in server.installed:
            await install(kube)
            server.installed.add("ours")
        yield kube


@pytest.fixture
async def stage(
    server: Server, kube: Kube, foreign_definitions: list[dict[str, object]], tmp_path: Path
) -> AsyncIterator[Stage]:
    """Yield an empty namespace whose world is at work, on a cluster with KServe and a gateway."""
    server.namespaces += 1
    namespace = f"team-{server.namespaces}"
    await make_namespace(kube, namespace)
    if "foreign" not in server.installed:
        for definition in foreign_definitions:
            await kube.put(definition)
        server.installed.add("foreign")
    await served(kube, namespace)
    token, path = await kube.token(), tmp_path / "operator.kubeconfig"
    account = token_kubeconfig(server.kubeconfig, token, path)
    world = World(kube, namespace, Scenario())
    port = 20000 + os.getpid() % 20000
    made = Stage(kube, namespace, world, account, tmp_path, server.audit, server.cluster, port)
    made.mark()
    playing = asyncio.create_task(world.run())
    try:
        yield made
        assert not playing.done(), playing.exception()
    finally:
        for operator in made.operators:
            operator.kill()
        await made.clear()
        playing.cancel()
        await world.predictors.close()


async def install(kube: Kube) -> None:
    """Install our definitions, and the operator's account with the rights it is shipped with."""
    await kube.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
    for name in ("translationmodels", "trainingruns"):
        await kube.put(documents(ROOT / f"crds/{name}.yaml")[0])
    for name in RIGHTS:
        for document in documents(ROOT / f"manifests/base/rbac/{name}.yaml"):
            if not document["kind"].startswith("Cluster"):
                document["metadata"]["namespace"] = SYSTEM
            await kube.put(document)


async def served(kube: Kube, namespace: str) -> None:
    """Wait until the API server serves all kinds: new ones take a moment."""

    async def all_listed() -> bool:
        try:
            return all([await kube.list(kind, namespace) is not None for kind in KINDS])
        except ApiError:
            return False

    await until(all_listed, 60)


async def make_namespace(kube: Kube, name: str) -> None:
    """Make a namespace with what the controllers of a whole cluster and a user would put there."""
    await kube.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    place = {"namespace": name}
    account = {"kind": "ServiceAccount", "metadata": {"name": "default", **place}}
    await kube.put({"apiVersion": "v1", **account})
    for claim in CLAIMS:
        size = {"requests": {"storage": "1Gi"}}
        spec = {"accessModes": ["ReadWriteMany"], "resources": size}
        claimed = {"kind": "PersistentVolumeClaim", "metadata": {"name": claim, **place}}
        await kube.put({"apiVersion": "v1", **claimed, "spec": spec})
