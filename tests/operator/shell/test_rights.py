"""Rights: what is shipped is enough, within single namespaces too, and no more than is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.operator.shell.cluster import ROOT, SYSTEM, documents, token_kubeconfig
from tests.operator.shell.stage import Stage, model, up_to_date

LIMITED = "limited"
RBAC = "rbac.authorization.k8s.io"
RULES = documents(ROOT / "manifests/base/rbac/operator.yaml")[0]["rules"]
USERS = documents(ROOT / "manifests/base/rbac/users.yaml")


def binding(name: str, namespace: str, role: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": LIMITED, "namespace": SYSTEM}],
    }


@pytest.mark.apiserver
@pytest.mark.timeout(300)
async def test_roles_of_one_namespace_are_enough_with_namespaces(
    stage: Stage, server: Any, tmp_path: Path
) -> None:
    place = {"name": LIMITED, "namespace": stage.namespace}
    account = {"name": LIMITED, "namespace": SYSTEM}
    await stage.kube.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": place, "rules": RULES[:-1]}
    await stage.kube.put(role)
    await stage.kube.put(binding(LIMITED, stage.namespace, LIMITED))
    await stage.kube.put(binding(LIMITED, SYSTEM, "mt-operator-lease"))
    token, path = await stage.kube.token(LIMITED), tmp_path / "limited.kubeconfig"
    operator = stage.operator("limited-0", token_kubeconfig(server.kubeconfig, token, path))
    operator.start(namespaces=[stage.namespace])
    await stage.kube.put(model(stage.namespace))
    await stage.until(up_to_date)
    assert "Forbidden" not in operator.log.read_text()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: "-".join(rule["resources"]))
def test_operator_may_not(rule: dict[str, Any]) -> None:
    assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    assert not {"secrets", "pods/log", "pods/exec"} & set(rule["resources"])
    assert not {"escalate", "bind", "impersonate", "deletecollection"} & set(rule["verbs"])


def test_last_rule_alone_concerns_the_whole_cluster() -> None:
    assert [rule["apiGroups"] for rule in RULES].index(["apiextensions.k8s.io"]) == len(RULES) - 1


@pytest.mark.parametrize("role", USERS, ids=lambda role: role["metadata"]["name"])
def test_users_roles_reach_kubeflows(role: dict[str, Any]) -> None:
    name = role["metadata"]["name"]
    kind = "edit" if name == "translation-promoter" else name.rpartition("-")[2]
    label = f"rbac.authorization.kubeflow.org/aggregate-to-kubeflow-{kind}"
    assert role["metadata"]["labels"][label] == "true"
    writes = {"update", "patch", "delete", "create"}
    for rule in role["rules"]:
        status = [resource for resource in rule["resources"] if resource.endswith("/status")]
        assert not status or not writes & set(rule["verbs"]), "only the operator writes a status"
