"""Installs the operator, and makes the namespace and the volumes that the story plays in."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo import cluster
from demo.cluster import PREDICTOR, Place
from demo.kube import Kubectl, Object, wait

SYSTEM = "translation-system"  # the operator's namespace
READY_SECONDS = 300.0
CLAIMS = {"corpora": "1Gi", "models": "2Gi"}
_UNPACK = "import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall('/v')"


def install_operator(place: Place) -> None:
    """Install the resource definitions and the operator, and wait until it is there."""
    place.kube.run("apply", "--server-side", "--force-conflicts", "-k", str(place.overlay))
    crds = ("translationmodels", "trainingruns")
    for name in crds:
        crd = f"crd/{name}.translation.kubeflow.org"
        place.kube.run("wait", "--for=condition=Established", crd, "--timeout=60s")
    if place.instance:  # an image of the same tag may be new
        place.kube.within(SYSTEM).run("rollout", "restart", "deployment")
    wait_for_operator(place.kube)


def wait_for_operator(kube: Kubectl) -> None:
    """Wait until the operator's Deployment is available."""
    system = kube.within(SYSTEM)

    def available() -> bool:
        system.run("rollout", "status", "deployment", "--timeout=30s")
        return True

    wait("the operator to be available", available, READY_SECONDS)


def make_namespace(kube: Kubectl, name: str) -> Kubectl:
    """Make an empty namespace under Pod Security restricted; one that is there is emptied."""
    kube.delete("namespace", name, timeout=READY_SECONDS)
    level = "pod-security.kubernetes.io/enforce"
    labels = {level: "restricted", f"{level}-version": "latest"}
    metadata = {"name": name, "labels": labels}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return kube.within(name)


def claim(name: str, size: str) -> Object:
    """Return a PersistentVolumeClaim that several pods may use."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": size}},
    }
    kind = "PersistentVolumeClaim"
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def helper_pod(name: str, claim_name: str, image: str) -> Object:
    """Return a pod that holds a volume open at /v; it passes Pod Security restricted."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    container = {
        "name": "shell",
        "image": image,
        "command": ["python", "-c", "import time; time.sleep(3600)"],
        "securityContext": security,
        "volumeMounts": [{"name": "volume", "mountPath": "/v"}],
    }
    who = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": who | {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": claim_name}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def provide_volumes(
    place: Place, kube: Kubectl, files: Mapping[str, bytes | Path]
) -> dict[str, Path]:
    """Make the claims ``corpora``, with files by their path inside it, and ``models``, empty.

    Returns:
        The folders behind the claims, in a local cluster; nothing in another one.
    """
    if place.instance is None:
        kube.apply(*(claim(name, size) for name, size in CLAIMS.items()))
        fill(kube, "corpora", files)
        return {}
    namespace = kube.namespace or "default"
    folders = {name: cluster.make_volume(place, namespace, name) for name in CLAIMS}
    put(folders["corpora"], files)
    return folders


def put(folder: Path, files: Mapping[str, bytes | Path]) -> None:
    """Write files into a folder, by their path inside it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())


def fill(kube: Kubectl, claim_name: str, files: Mapping[str, bytes | Path]) -> None:
    """Write files into a volume, by their path inside it, through a pod that mounts it."""
    pod = f"volume-{claim_name}"
    kube.apply(helper_pod(pod, claim_name, PREDICTOR.tag))
    try:
        kube.run("wait", f"pod/{pod}", "--for=condition=Ready", "--timeout=120s", timeout=150)
        kube.run("exec", "-i", pod, "--", "python", "-c", _UNPACK, stdin=tarball(files))
    finally:
        kube.delete("pod", pod)


def tarball(files: Mapping[str, bytes | Path]) -> bytes:
    """Return a tar archive of files by their path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def corpus_files(folder: Path, prefix: str = "pt-en") -> dict[str, bytes | Path]:
    """Return the files of the demo corpus, by their place in the volume."""
    return {f"{prefix}/{path.name}": path for path in sorted(folder.glob("*.tsv"))}
