"""A real API server for the tests of the schemas, and the few requests they make."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

Tree = dict[str, Any]
ROOT = Path(__file__).parents[2]
GROUP = "/apis/translation.kubeflow.org/v1alpha1/namespaces/default"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PLURALS = {"TranslationModel": "translationmodels", "TrainingRun": "trainingruns"}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PATCHES = {"merge": "application/merge-patch+json", "apply": "application/apply-patch+yaml"}


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: Tree

    @property
    def accepted(self) -> bool:
        return self.status < 300

    @property
    def message(self) -> str:
        return "" if self.accepted else str(self.body["message"])


class Api:
    """Requests to one API server, as its administrator, in the namespace default."""

    def __init__(self, kubeconfig: Path) -> None:
        server, context = connection(yaml.safe_load(kubeconfig.read_text()), kubeconfig.parent)
        self.client = httpx.Client(base_url=server, verify=context, timeout=30, trust_env=False)

    def create(self, document: Tree, *, dry_run: bool = True, strict: bool = True) -> Answer:
        query = query_of(dry_run, strict)
        return self._send("POST", collection(document), query, json=document)

    def replace(self, document: Tree, *, dry_run: bool = True) -> Answer:
        url = f"{collection(document)}/{document['metadata']['name']}"
        return self._send("PUT", url, query_of(dry_run), json=document)

    def patch(
        self, document: Tree, patch: Tree, *, how: str = "merge", part: str = "", **query: str
    ) -> Answer:
        url = f"{collection(document)}/{document['metadata']['name']}{part}"
        headers = {"Content-Type": PATCHES[how]}
        query = query_of(dry_run=False) | query
        return self._send("PATCH", url, query, json=patch, headers=headers)

    def get(self, document: Tree) -> Answer:
        return self._send("GET", f"{collection(document)}/{document['metadata']['name']}", {})

    def delete(self, document: Tree) -> Answer:
        return self._send("DELETE", f"{collection(document)}/{document['metadata']['name']}", {})

    def table(self, kind: str) -> Tree:
        """Return what `kubectl get` is sent."""
        headers = {"Accept": TABLE}
        return self._send("GET", f"{GROUP}/{PLURALS[kind]}", {}, headers=headers).body

    def definition(self, name: str) -> Tree:
        return self._send("GET", f"{DEFINITIONS}/{name}.translation.kubeflow.org", {}).body

    def install(self, definition: Tree) -> None:
        """Install a definition by server-side apply, and wait until it is served.

        Raises:
            AssertionError: the API server refuses it, or does not serve it within half a minute.
        """
        query = {"fieldManager": "tests", "force": "true"}
        headers = {"Content-Type": PATCHES["apply"]}
        url = f"{DEFINITIONS}/{definition['metadata']['name']}"
        answer = self._send("PATCH", url, query, json=definition, headers=headers)
        assert answer.accepted, answer.message
        served = f"{GROUP}/{definition['spec']['names']['plural']}"
        deadline = time.monotonic() + 30
        while not self._send("GET", served, {}).accepted:
            assert time.monotonic() < deadline, f"{served} is not served: {self.client.base_url}"
            time.sleep(0.1)

    def _send(self, method: str, url: str, query: Mapping[str, str], **body: Any) -> Answer:
        response = self.client.request(method, url, params=dict(query), **body)
        try:
            return Answer(response.status_code, response.json())
        except ValueError:  # before a definition is served, an answer is plain text
            return Answer(response.status_code, {"message": response.text})


def query_of(dry_run: bool, strict: bool = True) -> dict[str, str]:
    validation = {"fieldValidation": "Strict" if strict else "Ignore", "fieldManager": "tests"}
    return validation | ({"dryRun": "All"} if dry_run else {})


def collection(document: Tree) -> str:
    return f"{GROUP}/{PLURALS[document['kind']]}"


def connection(config: Tree, folder: Path) -> tuple[str, ssl.SSLContext]:
    """Return address and credentials of a kubeconfig's current context."""

    def named(kind: str, name: str) -> Tree:
        found: Tree = next(item[kind] for item in config[f"{kind}s"] if item["name"] == name)
        return found

    context = named("context", config["current-context"])
    cluster, user = named("cluster", context["cluster"]), named("user", context["user"])
    with tempfile.TemporaryDirectory() as scratch:

        def file(entry: Tree, key: str) -> Path:
            if f"{key}-data" not in entry:
                return folder / entry[key]
            path = Path(scratch, key)
            path.write_bytes(base64.b64decode(entry[f"{key}-data"]))
            return path

        tls = ssl.create_default_context(cafile=file(cluster, "certificate-authority"))
        tls.load_cert_chain(file(user, "client-certificate"), file(user, "client-key"))
    return cluster["server"], tls


@contextmanager
def running(name: str) -> Iterator[Path]:
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
            [python, "-m", "localcluster", *arguments, "--name", name],
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
