"""Overlays and samples: they render, hold together, and ask for what they promise."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.operator.shell.cluster import localcluster_python

from mt_contract.names import GROUP
from mt_operator.settings import load

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
OVERLAYS = sorted(path.parent for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))
TEAM = MANIFESTS / "argocd/sample/team-a"
_BUILT = """
from localcluster.binaries import kubectl
from localcluster.cache import default_cache
from localcluster.progress import Progress
print(kubectl(default_cache(), Progress()))
"""
pytestmark = pytest.mark.apiserver  # where there is no kubectl, the local cluster's is built
Document = dict[str, Any]


@cache
def kubectl() -> str:
    """Return the program: the machine's own, else the local cluster's."""
    found = shutil.which("kubectl")
    if found:
        return found
    built = subprocess.run(
        [localcluster_python(), "-c", _BUILT],
        env=os.environ | {"PYTHONPATH": str(ROOT / "localcluster")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=900,
    )
    return built.stdout.splitlines()[-1]


@cache
def rendered(folder: Path) -> tuple[Document, ...]:
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.load_all(done.stdout, yaml.CSafeLoader))


def of_kind(documents: tuple[Document, ...], kind: str) -> list[Document]:
    return [document for document in documents if document["kind"] == kind]


def names(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("overlay", OVERLAYS, ids=names)
def test_an_overlay_is_whole_and_of_one_namespace(overlay: Path) -> None:
    documents = rendered(overlay)
    (deployment,) = of_kind(documents, "Deployment")
    (account,) = of_kind(documents, "ServiceAccount")
    where = deployment["metadata"]["namespace"]
    bound = [s for kind in ("RoleBinding", "ClusterRoleBinding") for s in subjects(documents, kind)]
    assert bound == [("ServiceAccount", account["metadata"]["name"], where)] * len(bound) != []
    for document in documents:
        assert document["metadata"].get("namespace", where) == where, document["metadata"]
        assert document["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") in (
            "kubeflow",
            None,
        )
    settings = deployment["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]
    found = {c["metadata"]["name"]: c["data"] for c in of_kind(documents, "ConfigMap")}
    assert list(found[settings]) == ["settings.yaml"]


def subjects(documents: tuple[Document, ...], kind: str) -> list[tuple[str, str, str]]:
    bindings = of_kind(documents, kind)
    return [(s["kind"], s["name"], s["namespace"]) for b in bindings for s in b["subjects"]]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=names)
def test_the_operator_is_admitted_where_pod_security_is_restricted(overlay: Path) -> None:
    (deployment,) = of_kind(rendered(overlay), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
    assert {kind for volume in pod["volumes"] for kind in volume} == {
        "name",
        "configMap",
        "emptyDir",
        "secret",  # receivers' addresses
    }


def test_in_kubeflow_everything_is_part_of_it_and_its_namespace_is_not_ours() -> None:
    documents = rendered(MANIFESTS / "overlays/kubeflow")
    assert of_kind(documents, "Namespace") == []  # the distribution's: ours would prune it
    for document in documents:
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "kubeflow", document["metadata"]["name"]
    (deployment,) = of_kind(documents, "Deployment")
    template = deployment["spec"]["template"]["metadata"]
    for marks in (template["labels"], template["annotations"]):
        assert marks["sidecar.istio.io/inject"] == "false"
    roles = {role["metadata"]["name"]: role for role in of_kind(documents, "ClusterRole")}
    for name in ("admin", "edit", "view"):
        aggregated = f"rbac.authorization.kubeflow.org/aggregate-to-kubeflow-{name}"
        assert roles[f"translation-{name}"]["metadata"]["labels"][aggregated] == "true"
    assert of_kind(documents, "NetworkPolicy")


@pytest.mark.parametrize("overlay", OVERLAYS, ids=names)
def test_the_settings_of_an_overlay_can_be_read(overlay: Path, tmp_path: Path) -> None:
    configs = of_kind(rendered(overlay), "ConfigMap")
    (told,) = (c["data"]["settings.yaml"] for c in configs if "settings.yaml" in c["data"])
    path = tmp_path / "settings.yaml"
    path.write_text(told)
    assert "default" in load(path).gateways


def test_a_claim_is_in_the_wave_of_the_model_that_first_uses_it() -> None:
    waves: dict[str, set[str]] = {}
    for document in rendered(TEAM):
        annotations = document["metadata"]["annotations"]
        waves.setdefault(document["kind"], set()).add(annotations["argocd.argoproj.io/sync-wave"])
    assert waves == {
        "Namespace": {"-1"},
        "PersistentVolumeClaim": {"0"},
        "TranslationModel": {"0"},
        "TrainingRun": {"1"},
    }


def test_what_cannot_be_made_again_is_pruned_by_hand_only() -> None:
    for document in rendered(TEAM):
        options = document["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
        assert "Prune=confirm" in options, document["metadata"]["name"]
        if document["apiVersion"].startswith(GROUP):
            assert "SkipDryRunOnMissingResource=true" in options, document["metadata"]["name"]


@pytest.mark.parametrize("sample", ["operator", "models"])
def test_an_application_compares_and_applies_at_the_server(sample: str) -> None:
    app = yaml.safe_load((MANIFESTS / f"argocd/sample/{sample}.yaml").read_text())
    compare = app["metadata"]["annotations"]["argocd.argoproj.io/compare-options"]
    assert compare == "ServerSideDiff=true"
    assert "ServerSideApply=true" in app["spec"]["syncPolicy"]["syncOptions"]
    assert (ROOT / app["spec"]["source"]["path"] / "kustomization.yaml").exists()


def test_flux_waits_for_the_same_folder(tmp_path: Path) -> None:
    source, flux = yaml.safe_load_all((MANIFESTS / "flux/team-a.yaml").read_text())
    assert flux["spec"]["sourceRef"]["name"] == source["metadata"]["name"]
    assert flux["spec"]["wait"] is True
    assert (ROOT / flux["spec"]["path"]) == TEAM
    above = {"resources": [os.path.relpath(TEAM, tmp_path)], "patches": flux["spec"]["patches"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(above))  # as Flux does
    for document in rendered(tmp_path):
        mark = document["metadata"]["annotations"].get("kustomize.toolkit.fluxcd.io/prune")
        assert (mark == "disabled") == (document["kind"] != "TrainingRun")


def test_the_component_merges_into_a_config_map_of_argo_cd(tmp_path: Path) -> None:
    folder = tmp_path / "argo-cd"
    shutil.copytree(MANIFESTS / "argocd/component", tmp_path / "component")
    folder.mkdir()
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}}
    (folder / "theirs.yaml").write_text(yaml.safe_dump(theirs | {"data": {"url": "https://a"}}))
    kustomization = {"resources": ["theirs.yaml"], "components": ["../component"]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    (merged,) = rendered(folder)
    assert merged["data"]["url"] == "https://a"
    assert len(merged["data"]) == 1 + 2 * 2
