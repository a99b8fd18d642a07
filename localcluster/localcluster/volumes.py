"""PersistentVolumes for tests and demos: a folder of the instance, bound to a claim."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .api import Api, wait_until
from .errors import ClusterError
from .instance import Instance

# The user that the product's containers run as. hostPath volumes are not chowned by fsGroup.
OWNER = 65532
SIZE = "10Gi"


def folder(instance: Instance, namespace: str, claim: str) -> Path:
    """Return the folder behind a claim, on the host and in the node alike."""
    return instance.volumes / namespace / claim


def create(instance: Instance, namespace: str, claim: str, source: Path | None = None) -> Path:
    """Make a volume and the claim bound to it, and return the folder behind both.

    Args:
        instance: a running cluster with a node.
        namespace: where the claim is to be; it must exist.
        claim: the claim's name.
        source: a folder whose content is copied in, over what is there.

    Raises:
        ClusterError: the namespace or the source is missing, or the claim is not bound.
    """
    api = Api(instance.kubeconfig, instance.addresses.node)
    if api.get(f"/api/v1/namespaces/{namespace}") is None:
        raise ClusterError(f"there is no namespace {namespace!r}; `kubectl create ns {namespace}`")
    place = folder(instance, namespace, claim)
    _fill(place, source)
    name = f"{namespace}-{claim}"
    api.apply(f"/api/v1/persistentvolumes/{name}", volume(name, namespace, claim, place))
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim}"
    api.apply(path, claim_document(name, namespace, claim))
    _forget_earlier_claim(api, name, path)
    wait_until(
        lambda: ((api.get(path) or {}).get("status") or {}).get("phase") == "Bound",
        what=f"the claim {namespace}/{claim} is bound",
        seconds=60,
        log=instance.logs / "kube-controller-manager.log",
    )
    return place


def _forget_earlier_claim(api: Api, name: str, claim_path: str) -> None:
    # A volume stays bound to a claim that is gone, even if the new one has its name.
    claimed = (api.get(f"/api/v1/persistentvolumes/{name}") or {})["spec"]["claimRef"].get("uid")
    claim = (api.get(claim_path) or {})["metadata"]["uid"]
    if claimed not in (None, claim):
        forget = {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
        api.merge(f"/api/v1/persistentvolumes/{name}", forget)


def _fill(place: Path, source: Path | None) -> None:
    if source is not None and not source.is_dir():
        raise ClusterError(f"there is no folder {source} to fill the volume from")
    place.mkdir(parents=True, exist_ok=True)
    if source is not None:
        shutil.copytree(source, place, dirs_exist_ok=True)
    for path in [place, *place.rglob("*")]:
        os.chown(path, OWNER, OWNER, follow_symlinks=False)
    place.chmod(0o777)


def volume(name: str, namespace: str, claim: str, place: Path) -> dict[str, object]:
    """Return a volume that only this claim can bind."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": SIZE},
            "claimRef": {"namespace": namespace, "name": claim},
            "hostPath": {"path": str(place), "type": "Directory"},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
        },
    }


def claim_document(name: str, namespace: str, claim: str) -> dict[str, object]:
    """Return the claim for that volume."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": SIZE}},
            "storageClassName": "",
            "volumeName": name,
        },
    }
