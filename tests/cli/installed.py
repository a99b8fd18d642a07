"""A real API server as its users meet it: our manifests applied, users with the roles of these."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.crds.apiserver import ROOT, connection
from tests.crds.cases import MINIMAL_MODEL

Tree = dict[str, Any]
MODELS = "/apis/translation.kubeflow.org/v1alpha1/namespaces/team-a/translationmodels"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/team-a/rolebindings"
MERGE = {"Content-Type": "application/merge-patch+json"}
GROUP = "translation.kubeflow.org"
FORBIDDEN = 403


@dataclass(frozen=True)
class Installed:
    """Requests to an API server, as its administrator or as somebody else."""

    kubeconfig: Path
    client: httpx.Client

    def send(
        self, method: str, path: str, body: Tree | None = None, *, user: str = "", **query: str
    ) -> httpx.Response:
        """Send a request as ``user``; not given: as the administrator."""
        headers = {"Impersonate-User": user} if user else {}
        headers |= MERGE if method == "PATCH" else {}
        return self.client.request(method, path, params=query, json=body, headers=headers)

    def annotate(self, name: str, user: str, **annotations: str | None) -> httpx.Response:
        """Set or remove (None) annotations of ours, by their short names."""
        full = {f"{GROUP}/{key}": value for key, value in annotations.items()}
        return self.send(
            "PATCH", f"{MODELS}/{name}", {"metadata": {"annotations": full}}, user=user
        )

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl as the administrator and return what it printed."""
        done = subprocess.run(
            ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def bind(self, user: str, role: str) -> None:
        """Give a user a ClusterRole in team-a."""
        name = f"{user}-{role}"
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
        body = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": reference,
            "subjects": [subject],
        }
        answer = self.send("POST", BINDINGS, body)
        assert answer.is_success, answer.text

    def model(self, name: str, **annotations: str) -> Tree:
        """Create a model as the administrator and return it."""
        answer = self.send("POST", MODELS, model(name, **annotations))
        assert answer.is_success, answer.text
        return dict(answer.json())


def model(name: str, **annotations: str) -> Tree:
    """Return the smallest model, with annotations of ours."""
    full = {f"{GROUP}/{key}": value for key, value in annotations.items()}
    return MINIMAL_MODEL | {"metadata": {"name": name, "annotations": full}}


def install(kubeconfig: Path) -> Installed:
    """Apply what the standalone overlay holds, but for the operator, and make the users' roles."""
    server, tls = connection(yaml.safe_load(kubeconfig.read_text()), kubeconfig.parent)
    found = Installed(kubeconfig, httpx.Client(base_url=server, verify=tls, timeout=30))
    for part in ("crds", "rbac", "admission"):
        if part == "rbac":
            found.kubectl("create", "namespace", "translation-system")
        overlay = ROOT / "manifests" / "base" / part
        found.kubectl("apply", "--server-side", "-n", "translation-system", "-k", str(overlay))
    found.kubectl("create", "namespace", "team-a")
    _writer(found)
    for user, role in (
        ("writer", "test-writer"),
        ("editor", "translation-edit"),
        ("editor", "translation-promoter"),
        ("admin", "translation-admin"),
    ):
        found.bind(user, role)
    _wait_for_policy(found)
    return found


def _writer(found: Installed) -> None:
    """Make a role that may write models, and has none of our verbs."""
    verbs = "get,list,watch,create,update,patch,delete"
    resource = f"translationmodels.{GROUP}"
    found.kubectl("create", "clusterrole", "test-writer", f"--verb={verbs}", "--resource", resource)


def _wait_for_policy(found: Installed) -> None:
    """Wait until the API server acts on the policy: it reads new ones within a second or two."""
    deadline = time.monotonic() + 60
    while True:
        body = model("not-yet", promote="r-1/1")
        answer = found.send("POST", MODELS, body, user="writer", dryRun="All")
        if answer.status_code == FORBIDDEN and "verb promote" in answer.text:
            return
        assert time.monotonic() < deadline, f"the policy is not in force: {answer.text}"
        time.sleep(0.2)
