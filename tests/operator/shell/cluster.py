"""A real API server for these tests, and requests to it that the operator itself never makes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client import ApiClient, Configuration

from mt_operator.shell.api import RESOURCES, Api, Object
from mt_operator.shell.errors import NotFoundError

ROOT = Path(__file__).parents[3]
SYSTEM = "translation-system"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:mt-operator"
MERGE = "application/merge-patch+json"
CLUSTER_SCOPED = {
    "Namespace": "/api/v1/namespaces",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
NAMESPACED = {
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
}


def localcluster_python() -> str:
    """Return the interpreter of the local cluster's environment, which make makes."""
    made = subprocess.run(
        ["make", "--silent", "venv-localcluster"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert made.returncode == 0, made.stderr
    return str(Path(made.stdout.split()[-1], "bin", "python"))


def localcluster(python: str, name: str) -> Callable[..., str]:
    """Return a caller of the local cluster's commands for the instance ``name``."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [python, "-m", "localcluster", *arguments, "--name", name],
            env=os.environ | {"PYTHONPATH": str(ROOT / "localcluster")},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, f"localcluster {arguments[0]} failed: see above"
        return done.stdout.strip()

    return run


class Kube(Api):
    """The API server as its administrator; writes are marked as the world's, not the operator's."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        configuration = Configuration()
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]

        def file(name: str, data: str) -> str:
            path = folder / name
            path.write_bytes(base64.b64decode(data))
            return str(path)

        configuration.host = cluster["server"]
        configuration.ssl_ca_cert = file("ca.crt", cluster["certificate-authority-data"])
        configuration.cert_file = file("admin.crt", user["client-certificate-data"])
        configuration.key_file = file("admin.key", user["client-key-data"])
        self.client = ApiClient(configuration)
        self.client.user_agent = "world"
        super().__init__(self.client)

    async def put(self, document: Mapping[str, Any]) -> Object:
        """Have an object of any kind be as ``document`` says."""
        kind, meta = document["kind"], document["metadata"]
        if kind in CLUSTER_SCOPED:
            path = f"{CLUSTER_SCOPED[kind]}/{meta['name']}"
        elif kind in NAMESPACED:
            root, plural = NAMESPACED[kind]
            path = f"{root}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"
        else:
            path = RESOURCES[kind].path(meta["namespace"], meta["name"])
        query = {"fieldManager": "world", "force": "true"}
        how = "application/apply-patch+yaml"
        return await self._send(f"put {path}", 30, "PATCH", path, query, document, how)

    async def merge(
        self, kind: str, namespace: str, name: str, patch: Mapping[str, Any], part: str = ""
    ) -> Object:
        """Merge ``patch`` into an object, or into a part of it such as its status."""
        path = RESOURCES[kind].path(namespace, name, part)
        return await self._send(f"merge {path}", 30, "PATCH", path, {}, patch, MERGE)

    async def remove(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object if it is there."""
        found = await self.get(kind, namespace, name)
        if found is not None:
            await self.delete(kind, namespace, name, found["metadata"]["uid"])

    async def remove_definition(self, definition: Mapping[str, Any]) -> None:
        """Delete the definition of a kind, and wait until the kind is gone."""
        path = f"{CLUSTER_SCOPED['CustomResourceDefinition']}/{definition['metadata']['name']}"
        await self._send(f"delete {path}", 30, "DELETE", path, {}, {}, "application/json")
        with contextlib.suppress(NotFoundError):
            async with asyncio.timeout(60):
                while True:
                    await self._read("read", path, {})
                    await asyncio.sleep(0.2)

    async def token(self, account: str = "mt-operator") -> str:
        """Return a token of a service account in the operator's namespace."""
        path = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/{account}/token"
        body = {"spec": {"expirationSeconds": 36000}}
        answer = await self._send("token", 10, "POST", path, {}, body, "application/json")
        return str(answer["status"]["token"])


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a YAML file."""
    loaded = yaml.load_all(path.read_text(), yaml.CSafeLoader)
    return [document for document in loaded if document]


def token_kubeconfig(admin: Path, token: str, path: Path) -> Path:
    """Write a kubeconfig that has the rights of a token."""
    config = yaml.safe_load(admin.read_text())
    config["users"][0]["user"] = {"token": token}
    path.write_text(json.dumps(config))
    return path


_RENDER = """
from localcluster import manifests
from localcluster.cache import default_cache
from localcluster.progress import Progress
manifests.render(default_cache(), Progress())
print(manifests.folder(default_cache()) / manifests.CRDS)
"""
FOREIGN = ("inferenceservices.serving.kserve.io", "httproutes.gateway.networking.k8s.io")


def rendered_definitions(python: str) -> list[dict[str, Any]]:
    """Return the definitions of InferenceService and HTTPRoute that the local cluster installs."""
    done = subprocess.run(
        [python, "-c", _RENDER],
        env=os.environ | {"PYTHONPATH": str(ROOT / "localcluster")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=900,
    )
    parts = Path(done.stdout.splitlines()[-1]).read_text().split("\n---\n")
    wanted = (part for part in parts if any(f"name: {name}\n" in part for name in FOREIGN))
    return [yaml.load(part, yaml.CSafeLoader) for part in wanted]
