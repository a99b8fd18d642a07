"""doctor: a cluster in which everything fits, and each thing that may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import yaml
from tests.cli.builders import condition, model
from tests.cli.fake import FakeCluster, Result, cli, refusal

from mt_cli.errors import Code
from mt_cli.lint.definitions import definition

Tree = dict[str, Any]
SYSTEM = "translation-system"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MODELS = f"{CRDS}/translationmodels.translation.kubeflow.org"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DEPLOYMENTS = "/apis/apps/v1"
GATEWAY = "/apis/gateway.networking.k8s.io/v1/namespaces/kserve/gateways/shared"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/mt-operator"
CONFIG = f"/api/v1/namespaces/{SYSTEM}/configmaps/mt-operator-settings-1"
CLAIM = "/api/v1/namespaces/team-a/persistentvolumeclaims/models"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
KSERVE_CONFIG = "/api/v1/namespaces/kserve/configmaps/inferenceservice-config"
KSERVE = "/apis/apps/v1/namespaces/kserve/deployments/kserve-controller-manager"
SETTINGS = {
    "images": {"trainer": "t", "predictor": "p"},
    "gateways": {"default": {"name": "shared", "namespace": "kserve"}},
}
MODEL = model(
    spec={
        "storage": {"uri": "pvc://models/pt-en"},
        "data": {"train": [{"uri": "pvc://models/train.tsv"}], "test": [{"uri": "https://x/y"}]},
    }
)


def resources(*names: str) -> Tree:
    return {"resources": [{"name": name} for name in names]}


def deployment(name: str, image: str, namespace: str, **labels: str) -> Tree:
    pod = {
        "containers": [{"name": "manager", "image": image}],
        "volumes": [{"name": "settings", "configMap": {"name": "mt-operator-settings-1"}}],
    }
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"replicas": 1, "template": {"spec": pod}},
        "status": {"readyReplicas": 1},
    }


OPERATOR = deployment(
    "mt-operator",
    "registry/operator:0.1.0",
    SYSTEM,
    **{"app.kubernetes.io/name": "translation", "app.kubernetes.io/component": "operator"},
)


def gateway(programmed: str = "True", come_from: str = "All") -> Tree:
    listener = {"name": "http", "allowedRoutes": {"namespaces": {"from": come_from}}}
    conditions = [condition("Programmed", programmed, "Programmed", "no address yet")]
    return {"spec": {"listeners": [listener]}, "status": {"conditions": conditions}}


def claim(*modes: str, phase: str = "Bound") -> Tree:
    return {"spec": {"accessModes": list(modes)}, "status": {"phase": phase}}


def node(gpus: int = 0) -> Tree:
    return {
        "metadata": {"name": f"n{gpus}", "namespace": ""},
        "status": {"allocatable": {"nvidia.com/gpu": str(gpus)} if gpus else {}},
    }


def rights(*denied: str) -> Callable[[httpx.Request], httpx.Response | None]:
    """Return an API server's answers about rights: all but these verbs are allowed."""

    def answer(request: httpx.Request) -> httpx.Response | None:
        if request.url.path != REVIEWS:
            return None
        asked = json.loads(request.content)["spec"]["resourceAttributes"]
        return httpx.Response(201, json={"status": {"allowed": asked["verb"] not in denied}})

    return answer


def sound() -> FakeCluster:
    """Return a cluster in which everything fits."""
    cluster = FakeCluster()
    cluster.kinds |= {"deployments", "nodes"}
    cluster.add("translationmodels", MODEL)
    cluster.put("/version", {"gitVersion": "v1.36.2"})
    ours = resources("translationmodels", "trainingruns")
    cluster.put("/apis/translation.kubeflow.org/v1alpha1", ours)
    for kind, plural in (
        ("TranslationModel", "translationmodels"),
        ("TrainingRun", "trainingruns"),
    ):
        cluster.put(f"{CRDS}/{plural}.translation.kubeflow.org", dict(definition(kind)))
    for kind in ("validatingadmissionpolicies", "validatingadmissionpolicybindings"):
        cluster.put(f"{ADMISSION}/{kind}/translation-actions", {})
    cluster.put("/apis/serving.kserve.io/v1beta1", resources("inferenceservices"))
    cluster.put("/apis/gateway.networking.k8s.io/v1", resources("httproutes", "gateways"))
    cluster.put(KSERVE, deployment("kserve-controller-manager", "kserve:v0.20.0", "kserve"))
    told = {"deploy": '{"defaultDeploymentMode": "Standard"}', "ingress": "{}"}
    cluster.put(KSERVE_CONFIG, {"data": told})
    cluster.add("deployments", OPERATOR, prefix=DEPLOYMENTS)
    lease = {"holderIdentity": "mt-operator-0", "renewTime": "2026-11-21T11:59:55.000000Z"}
    cluster.put(LEASE, {"spec": lease | {"leaseDurationSeconds": 15}})
    cluster.put(CONFIG, {"data": {"settings.yaml": yaml.safe_dump(SETTINGS)}})
    cluster.put(GATEWAY, gateway())
    cluster.put(CLAIM, claim("ReadWriteMany"))
    cluster.put("/api/v1/nodes", {"items": [node(2), node()]})
    cluster.answers = [rights()]
    return cluster


def rows(result: Result) -> dict[str, tuple[str, str]]:
    """Return verdict and advice (or what was found) by check."""
    return {r["check"]: (r["verdict"], f"{r['found']} {r['todo']}") for r in result.tree}


def test_a_cluster_in_which_everything_fits() -> None:
    result = cli(sound(), "doctor -o json")
    assert result.code == Code.DONE
    assert {name: verdict for name, (verdict, _) in rows(result).items()} == dict.fromkeys(
        (
            "API server",
            "definition TranslationModel",
            "definition TrainingRun",
            "admission policy",
            "KServe",
            "traffic splitting",
            "operator",
            "leader",
            "gateway default",
            "Prometheus",
            "claim models",
            "GPUs",
            "you may look at models and runs",
            "you may change models, and act on them",
            "you may make and stop runs",
            "you may promote and roll back",
            "you may bless",
            "you may read logs",
            "you may see events",
        ),
        "ok",
    )
    assert "everything fits" in cli(sound(), "doctor").out


def gone(path: str) -> Callable[[FakeCluster], None]:
    return lambda cluster: cluster.objects.pop(path) and None


def here(path: str, found: Tree) -> Callable[[FakeCluster], None]:
    return lambda cluster: cluster.put(path, found)


def denied(part: str) -> Callable[[FakeCluster], None]:
    """Return a change: the user may not look at paths with this part."""

    def change(cluster: FakeCluster) -> None:
        cluster.answers.append(
            lambda r: refusal(403, "you may not") if part in r.url.path else None
        )

    return change


def settings(**changes: Any) -> Callable[[FakeCluster], None]:
    text = yaml.safe_dump(SETTINGS | changes)
    return here(CONFIG, {"data": {"settings.yaml": text}})


def older(kind: str) -> Tree:
    """Return a definition without rollout."""
    found: Tree = json.loads(json.dumps(definition(kind)))
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["rollout"]
    return found


def wants_gpu(cluster: FakeCluster) -> None:
    training = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
    cluster.add("translationmodels", MODEL | {"spec": MODEL["spec"] | {"training": training}})
    cluster.put("/api/v1/nodes", {"items": [node()]})


def stalled(cluster: FakeCluster) -> None:
    told = condition("Stalled", "True", "UnknownGateway", "The settings know no gateway x.")
    cluster.add("translationmodels", MODEL | {"status": {"conditions": [told]}})


def twice(cluster: FakeCluster) -> None:
    second = OPERATOR | {"metadata": OPERATOR["metadata"] | {"namespace": "other"}}
    cluster.add("deployments", second, prefix=DEPLOYMENTS)


def no_claims(cluster: FakeCluster) -> None:
    cluster.objects = {k: v for k, v in cluster.objects.items() if v is not MODEL}
    cluster.put("/apis/storage.k8s.io/v1/storageclasses", {"items": []})


def nobody_holds(cluster: FakeCluster) -> None:
    cluster.put(LEASE, {"spec": {"holderIdentity": "", "renewTime": None}})


def silent(cluster: FakeCluster) -> None:
    cluster.put(LEASE, {"spec": SILENT})
    cluster.ticks = [lambda now: None]


def another_clock(cluster: FakeCluster) -> None:
    """Let the operator's clock be an hour late: its Lease is renewed all the same."""
    silent(cluster)
    renewed = SILENT | {"renewTime": "2026-11-21T11:00:05Z"}
    cluster.ticks = [lambda now: now.put(LEASE, {"spec": renewed})]


def one_node(cluster: FakeCluster) -> None:
    cluster.put(CLAIM, claim("ReadWriteOnce"))
    cluster.put("/api/v1/nodes", {"items": [node()]})


SILENT = {"holderIdentity": "a", "renewTime": "2026-11-21T11:00:00Z", "leaseDurationSeconds": 15}
NOT_READY = OPERATOR | {"status": {}}
FOUND = [
    pytest.param(here("/version", {"gitVersion": "v1.29.4"}), "API server", "problem",
                 "Upgrade to Kubernetes 1.30", id="an old API server"),
    pytest.param(gone("/apis/translation.kubeflow.org/v1alpha1"), "definition TranslationModel",
                 "problem", "kubectl apply -k", id="no definitions"),
    pytest.param(here(MODELS, older("TranslationModel")),
                 "definition TranslationModel", "warning", "spec.rollout", id="older definitions"),
    pytest.param(denied("customresourcedefinitions"), "definition TrainingRun", "ok", "served",
                 id="definitions that may not be read are still served"),
    pytest.param(gone(f"{ADMISSION}/validatingadmissionpolicies/translation-actions"),
                 "admission policy", "warning", "manifests/base/admission", id="no policy"),
    pytest.param(denied("validatingadmissionpolicies"), "admission policy", "unknown",
                 "Ask an administrator", id="a policy that may not be read"),
    pytest.param(gone("/apis/serving.kserve.io/v1beta1"), "KServe", "problem", "Install KServe",
                 id="no KServe"),
    pytest.param(here(KSERVE, deployment("k", "kserve:v0.14.1", "kserve")), "KServe", "problem",
                 "Upgrade to KServe 0.15", id="an old KServe"),
    pytest.param(gone("/apis/gateway.networking.k8s.io/v1"), "traffic splitting", "warning",
                 "Install the Gateway API", id="no way to split traffic"),
    pytest.param(gone(f"{DEPLOYMENTS}/namespaces/{SYSTEM}/deployments/mt-operator"), "operator",
                 "problem", "Install it", id="no operator"),
    pytest.param(twice, "operator", "problem", "Keep one", id="two operators"),
    pytest.param(here(f"{DEPLOYMENTS}/namespaces/{SYSTEM}/deployments/mt-operator", NOT_READY),
                 "operator", "problem", "describe deployment", id="an operator that is not ready"),
    pytest.param(denied("deployments"), "operator", "unknown", "all namespaces",
                 id="an operator that may not be looked at"),
    pytest.param(silent, "leader", "problem", "silent", id="a leader that went silent"),
    pytest.param(another_clock, "leader", "ok", "a", id="a leader whose clock is late"),
    pytest.param(nobody_holds, "leader", "problem", "no operator holds the Lease", id="no leader"),
    pytest.param(gone(LEASE), "leader", "problem", "no operator holds", id="no Lease"),
    pytest.param(here(CONFIG, {"data": {"settings.yaml": "images: 3"}}), "settings", "problem",
                 "Correct settings.yaml", id="broken settings"),
    pytest.param(settings(gateways={}), "gateways", "problem", "Name one", id="no gateway"),
    pytest.param(gone(GATEWAY), "gateway default", "problem", "Make it", id="a missing gateway"),
    pytest.param(here(GATEWAY, gateway("False")), "gateway default", "problem", "no address yet",
                 id="a gateway that is not programmed"),
    pytest.param(here(GATEWAY, gateway(come_from="Same")), "gateway default", "warning",
                 "Let a listener allow", id="a gateway that takes no routes of ours"),
    pytest.param(settings(prometheus={"url": "http://p"}, queries={"a": {"promql": "up"}}),
                 "Prometheus", "ok", "http://p; named queries: a", id="a Prometheus"),
    pytest.param(gone(CLAIM), "claim models", "problem", "Create it", id="a missing claim"),
    pytest.param(here(CLAIM, claim("ReadWriteOnce")), "claim models", "warning", "ReadWriteMany",
                 id="a claim for one node, on two"),
    pytest.param(one_node, "claim models", "ok", "the only node", id="a claim for the only node"),
    pytest.param(here(CLAIM, claim("ReadWriteOncePod")), "claim models", "problem", "One pod",
                 id="a claim for one pod"),
    pytest.param(here(CLAIM, claim("ReadWriteMany", phase="Lost")), "claim models", "problem",
                 "restore it", id="a lost volume"),
    pytest.param(no_claims, "storage", "warning", "no StorageClass", id="no storage at all"),
    pytest.param(wants_gpu, "GPUs", "problem", "pt-en ask for", id="no GPU where one is asked"),
    pytest.param(denied("/nodes"), "GPUs", "unknown", "nodes", id="nodes that may not be seen"),
    pytest.param(lambda c: c.answers.insert(0, rights("promote")), "you may promote and roll back",
                 "warning", "translation-promoter", id="no right to promote"),
    pytest.param(lambda c: c.answers.insert(0, rights("bless")), "you may bless", "warning",
                 "translation-admin", id="no right to bless"),
    pytest.param(stalled, "model pt-en", "warning", "UnknownGateway The settings know",
                 id="a model that is stalled"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "check", "verdict", "told"), FOUND)
def test_what_does_not_fit(
    change: Callable[[FakeCluster], None], check: str, verdict: str, told: str
) -> None:
    cluster = sound()
    change(cluster)
    result = cli(cluster, "doctor -o json")
    found = rows(result)[check]
    assert found[0] == verdict, found
    assert told in found[1]
    problems = [name for name, (kind, _) in rows(result).items() if kind == "problem"]
    assert result.code == (Code.FINDINGS if problems else Code.DONE)


def test_people_read_what_to_do_and_how_much_there_is() -> None:
    cluster = sound()
    cluster.objects.pop(GATEWAY)
    cluster.put(CLAIM, claim("ReadWriteOnce"))
    out = cli(cluster, "doctor").out
    assert "Make it, or name another one in the operator's settings." in out
    assert "Namespace team-a: 1 problem, 1 warning." in out


def test_the_operators_namespace_may_be_named() -> None:
    cluster = sound()
    cluster.answers.append(
        lambda r: refusal(403, "no") if r.url.path == "/apis/apps/v1/deployments" else None
    )
    assert rows(cli(cluster, "doctor -o json"))["operator"][0] == "unknown"
    assert rows(cli(cluster, f"doctor -o json --system {SYSTEM}"))["operator"][0] == "ok"
