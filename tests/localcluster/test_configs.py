"""Rendered configuration, command lines, certificates and manifests."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from ipaddress import IPv4Network, ip_address
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from localcluster import configs, manifests, pki, processes
from localcluster.control import ProcessSpec
from localcluster.instance import Addresses, Instance


def instance(folder: Path = Path("/c/demo"), *, audit: bool = False) -> Instance:
    return Instance("demo", folder, Addresses(IPv4Network("10.200.0.0/16")), audit)


def find(name: str) -> Path:
    return Path("/bin") / name


def test_containerd_reads_its_settings_and_keeps_images_in_the_instance() -> None:
    settings = tomllib.loads(configs.containerd(instance()))
    assert settings["root"] == "/c/demo/containerd"
    cri = settings["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == configs.PAUSE_IMAGE
    assert cri["restrict_oom_score_adj"] is True
    assert cri["cni"]["conf_dir"] == "/c/demo/config/cni"


def relabelled(labels: dict[str, str]) -> dict[str, str] | None:
    """Return what Prometheus makes of a target's labels by our rules; None: it is dropped."""
    (job,) = configs.scraping(instance())["scrape_configs"]
    for rule in job["relabel_configs"]:
        text = ";".join(labels.get(name, "") for name in rule.get("source_labels", []))
        found = re.fullmatch(rule["regex"], text)
        if rule["action"] == "keep" and not found:
            return None
        if rule["action"] == "replace" and found:
            value = re.sub(r"\$(\d)", r"\\\1", rule["replacement"])
            labels = labels | {rule["target_label"]: found.expand(value)}
        if rule["action"] == "labelmap":
            mapped = {name: re.fullmatch(rule["regex"], name) for name in labels}
            labels = labels | {m[1]: labels[name] for name, m in mapped.items() if m}
    return {name: value for name, value in labels.items() if not name.startswith("__meta")}


def target(**labels: str) -> dict[str, str]:
    found = {"phase": "Running", "ip": "10.200.0.7", "name": "p"} | labels
    return {
        "__address__": "10.200.0.7:8080",
        "__meta_kubernetes_namespace": "n",
        **{f"__meta_kubernetes_pod_{name}": value for name, value in found.items()},
    }


MODEL = {f"label_{configs.PRODUCT_LABEL}": "m"}


@pytest.mark.parametrize(
    ("labels", "address"),
    [
        pytest.param(MODEL, "10.200.0.7:9090", id="a pod of the product"),
        pytest.param(
            {**MODEL, "annotation_prometheus_io_port": "9464"},
            "10.200.0.7:9464",
            id="one that names its port",
        ),
        pytest.param(
            {**MODEL, "label_serving_knative_dev_revision": "m-predictor-00001"},
            "10.200.0.7:8080",
            id="one of the product in Knative mode",
        ),
        pytest.param(
            {"annotation_prometheus_io_scrape": "true"},
            "10.200.0.7:9090",
            id="any pod that asks for it",
        ),
        pytest.param({"label_app": "x"}, None, id="a pod of somebody else"),
        pytest.param({**MODEL, "phase": "Succeeded"}, None, id="one that has ended"),
    ],
)
def test_prometheus_scrapes_the_products_pods_and_those_that_ask(
    labels: dict[str, str], address: str | None
) -> None:
    found = relabelled(target(**labels))
    assert (found and found["__address__"]) == address


def test_a_pods_labels_become_labels_of_its_series() -> None:
    found = relabelled(target(**MODEL))
    assert found == {
        "__address__": "10.200.0.7:9090",
        "namespace": "n",
        "pod": "p",
        configs.PRODUCT_LABEL: "m",
    }


def test_a_pod_of_many_ports_is_one_target() -> None:
    other = target(**MODEL, container_port_name="grpc") | {"__address__": "10.200.0.7:8081"}
    assert relabelled(other) == relabelled(target(**MODEL))


def test_the_kubelet_has_the_instances_group_name_server_and_runtime() -> None:
    settings = configs.kubelet(instance())
    assert settings["cgroupRoot"] == "/localcluster-demo"
    assert settings["clusterDNS"] == ["10.200.128.10"]
    assert settings["containerRuntimeEndpoint"] == f"unix://{processes.CONTAINERD_SOCKET}"
    assert settings["failCgroupV1"] is False


def test_pods_get_addresses_of_the_instance() -> None:
    bridge = configs.cni(IPv4Network("10.200.0.0/17"))["plugins"][0]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.200.0.0/17"}]]
    assert bridge["ipMasq"] is False


def test_the_name_server_reads_the_context_that_the_kubeconfig_has() -> None:
    text = pki.kubeconfig("https://10.200.192.2:6443", "demo", b"ca", b"crt", b"key")
    document = json.loads(text)
    assert document["current-context"] == "demo"
    assert "kubeconfig /c/demo/kubeconfig demo" in configs.corefile(instance())
    assert base64.b64decode(document["users"][0]["user"]["client-key-data"]) == b"key"


def test_files_are_rendered_for_every_program_that_names_one() -> None:
    ours = instance(audit=True)
    rendered = {
        **configs.control_plane(ours), **configs.node(ours), **configs.gateway(ours),
        **configs.prometheus(ours),
    }  # fmt: skip
    written_elsewhere = {f"{user}.kubeconfig" for user in pki.USERS} | {"envoy.json"}
    specs = [
        processes.kube_apiserver(ours, find), processes.kube_controller_manager(ours, find),
        processes.kube_scheduler(ours, find), processes.containerd(ours, find),
        processes.kubelet(ours, find), processes.kube_proxy(ours, find),
        processes.contour(ours, find), processes.envoy(ours, find("envoy")),
        processes.coredns(ours, find), processes.prometheus(ours, find),
    ]  # fmt: skip
    named = {name for spec in specs for name in config_files(spec)}
    assert named <= {*rendered, *written_elsewhere}
    assert named & set(rendered)


def config_files(spec: ProcessSpec) -> set[str]:
    words = [word.rpartition("=")[2] for word in spec.argv]
    return {word.removeprefix("/c/demo/config/") for word in words if "/c/demo/config/" in word}


@pytest.mark.parametrize("audit", [True, False])
def test_the_api_server_writes_an_audit_log_only_when_asked(audit: bool) -> None:
    argv = " ".join(processes.kube_apiserver(instance(audit=audit), find).argv)
    assert ("--audit-log-path=/c/demo/logs/audit.log" in argv) is audit
    policy = yaml.safe_load(configs.control_plane(instance())["audit-policy.yaml"])
    assert policy["rules"] == [{"level": "Metadata"}]


def test_certificates_are_signed_by_the_instances_authority_and_made_once(tmp_path: Path) -> None:
    ours = instance(tmp_path)
    pki.ensure(ours)
    authority = x509.load_pem_x509_certificate((ours.pki / "ca.crt").read_bytes())
    server = x509.load_pem_x509_certificate((ours.pki / "apiserver.crt").read_bytes())
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    assert {ours.addresses.node, ours.addresses.kubernetes, ip_address("127.0.0.1")} == set(
        addresses
    )
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    before = ours.kubeconfig.read_text()
    pki.ensure(ours)
    assert ours.kubeconfig.read_text() == before


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    ours = instance(tmp_path)
    pki.ensure(ours)
    secrets = [*ours.pki.glob("*.key"), ours.kubeconfig, *ours.config.glob("*.kubeconfig")]
    assert len(secrets) > 10
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_certificates_for_other_addresses_are_made_anew(tmp_path: Path) -> None:
    pki.ensure(instance(tmp_path))
    before = instance(tmp_path).kubeconfig.read_text()
    moved = Instance("demo", tmp_path, Addresses(IPv4Network("10.201.0.0/16")))
    pki.ensure(moved)
    assert moved.kubeconfig.read_text() != before
    assert moved.server in moved.kubeconfig.read_text()


def test_kserve_is_told_of_our_gateway_and_plain_deployments() -> None:
    settings = {
        "kind": "ConfigMap",
        "metadata": {"name": "inferenceservice-config"},
        "data": {"_example": "…", "ingress": '{"a": 1}', "deploy": "{}", "other": "x"},
    }
    changed = manifests.kserve_settings(settings)
    ingress = json.loads(changed["data"]["ingress"])
    assert ingress["a"] == 1
    assert ingress["kserveIngressGateway"] == "kserve/kserve-ingress-gateway"
    assert json.loads(changed["data"]["deploy"]) == {"defaultDeploymentMode": "Standard"}
    assert changed["data"]["other"] == "x"
    assert "_example" not in changed["data"]
    assert settings["data"]["deploy"] == "{}"


def test_what_would_deploy_kserves_manager_is_left_out() -> None:
    def document(kind: str, name: str = "x") -> dict[str, object]:
        return {"kind": kind, "metadata": {"name": name}}

    settings = {**document("ConfigMap"), "data": {"ingress": "{}", "deploy": "{}"}}
    storage = {**document("ClusterStorageContainer"), "spec": {"container": {"image": "i"}}}
    rendered = [
        document(kind)
        for kind in (
            "Deployment",
            "Service",
            "ClusterRole",
            "CustomResourceDefinition",
            "ConfigMap",
        )
    ]
    kept = manifests.kserve_documents(rendered, settings, storage)
    assert [each["kind"] for each in kept] == [
        "ClusterRole",
        "ConfigMap",
        "ClusterStorageContainer",
    ]
    assert kept[2]["spec"]["container"]["securityContext"]["runAsNonRoot"] is True


def test_webhooks_are_called_in_the_node_with_our_authority() -> None:
    hook = {
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "v", "annotations": {"cert-manager.io/inject-ca-from": "x"}},
        "webhooks": [{"name": "h", "clientConfig": {"service": {"name": "s", "path": "/p"}}}],
    }
    role = {"kind": "ClusterRole", "metadata": {"name": "r"}}
    changed, same = manifests.with_webhooks_at([hook, role], "https://127.0.0.1:9443", b"CA")
    config = changed["webhooks"][0]["clientConfig"]
    assert config == {
        "url": "https://127.0.0.1:9443/p",
        "caBundle": base64.b64encode(b"CA").decode(),
    }
    assert "annotations" not in changed["metadata"]
    assert same is role


def test_crds_are_applied_without_conversion() -> None:
    crd = {"kind": "CustomResourceDefinition", "spec": {"conversion": {}, "group": "g"}}
    assert manifests.plain_crd(crd)["spec"] == {"group": "g"}
    assert manifests.is_crd(crd)
