"""The InferenceService of one revision: its own pods, dark until the route leads to it.

It names its container itself: a ServingRuntime is shared, and a changed one would restart every
predictor. Labels and annotations reach the pods, so they change only when the pods do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from mt_contract import names
from mt_contract.defaults import drop
from mt_operator.core.children.pod import (
    compact,
    owner_reference,
    pod_security,
    restricted,
    seconds,
)
from mt_operator.core.model.state import Revision
from mt_operator.core.observed import Meta, ServiceView
from mt_operator.core.plan import Child, Manifest
from mt_operator.settings import Settings

KSERVE = "serving.kserve.io"
ACCOUNT = "serviceAccountName"
# In the annotations and labels of an InferenceService, these are ours.
OURS = (f"{names.GROUP}/", f"{KSERVE}/", "networking.kserve.io/", "app.kubernetes.io/")
LOADING = timedelta(hours=1)  # a pod may load that long; who waits for it sets maxLoad
FINISHING = timedelta(seconds=30)  # requests in flight, after the drain


def inference_service(owner: Meta, build: Revision, replicas: int, settings: Settings) -> Child:
    """Return the InferenceService of ``build``.

    Args:
        owner: the model.
        build: what it serves.
        replicas: what its autoscaler may not go below, if that is more than the user's minimum.
        settings: images' pull policy and the drain of pods that go.
    """
    labels = dict(names.labels("predictor", model=owner.name, revision=build.revision))
    # Its own route would be public before it is checked; only ours leads to it.
    labels |= {"networking.kserve.io/visibility": "cluster-local"}
    annotations = {
        f"{KSERVE}/deploymentMode": "Standard",
        f"{KSERVE}/autoscalerClass": _autoscaler(build),
        names.ANNOTATION_TEMPLATE: template_inputs(owner, build),
    }
    return Child(
        {
            "apiVersion": f"{KSERVE}/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": names.inference_service_name(owner.name, build.revision),
                "namespace": owner.namespace,
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [owner_reference(owner, names.MODEL_KIND)],
            },
            "spec": {"predictor": _predictor(owner, build, settings) | _bounds(build, replicas)},
        }
    )


def service_change(desired: Child, observed: ServiceView | None) -> Child | None:
    """Return what has to be applied so that ``observed`` is as ``desired``, if anything.

    Where only the numbers of replicas differ, the rest is applied as it is: the templates of
    another release never restart what serves.
    """
    if observed is None:
        return desired
    if observed.meta.deleting:
        return None  # made anew when it is gone
    metadata, predictor = desired.manifest["metadata"], desired.manifest["spec"]["predictor"]
    inputs = metadata["annotations"][names.ANNOTATION_TEMPLATE]
    if observed.meta.annotations.get(names.ANNOTATION_TEMPLATE) != inputs:
        return desired
    numbers = {key: predictor[key] for key in ("minReplicas", "maxReplicas")}
    if all(observed.predictor.get(key) == number for key, number in numbers.items()):
        return None
    same = {
        "labels": ours(observed.meta.labels),
        "annotations": ours(observed.meta.annotations),
    }
    spec = {"predictor": dict(observed.predictor) | numbers}
    return Child(dict(desired.manifest) | {"metadata": metadata | same, "spec": spec})


def template_inputs(owner: Meta, build: Revision) -> str:
    """Return the digest of all that decides the pods of ``build``, but for their number."""
    options = drop(build.serving, frozenset({"replicas", "deploymentMode", "timeout"}))
    scaling = drop(build.serving["replicas"], frozenset({"min", "max"}))
    return names.digest(
        {
            "model": owner.name,
            "artifact": [build.artifact.uri, build.artifact.digest],
            "engine": build.engine,
            "options": options,
            "scaling": [scaling, _autoscaler(build)],
        }
    )


def _autoscaler(build: Revision) -> str:
    bounds = build.serving["replicas"]
    return "none" if bounds["min"] == bounds["max"] else "hpa"


def _bounds(build: Revision, replicas: int) -> dict[str, Any]:
    bounds = build.serving["replicas"]
    least = max(bounds["min"], min(replicas, bounds["max"]))
    return {"minReplicas": least, "maxReplicas": max(bounds["max"], bounds["min"])}


def _predictor(owner: Meta, build: Revision, settings: Settings) -> dict[str, Any]:
    options, service = build.serving, names.inference_service_name(owner.name, build.revision)
    optional = {
        "nodeSelector": dict(options.get("nodeSelector") or {}),
        "tolerations": list(options.get("tolerations") or []),
    }
    # A changed template never takes a ready pod away before its successor is ready.
    rolling = {"maxUnavailable": 0, "maxSurge": 1}
    claim = {"claimName": names.claim_of(build.artifact.uri)}
    return {
        "scaleMetric": options["replicas"]["metric"],
        "scaleTarget": options["replicas"]["target"],
        "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        ACCOUNT: options[ACCOUNT],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "terminationGracePeriodSeconds": seconds(settings.drain + FINISHING),
        "containers": [_container(owner, build, service, settings)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "artifact", "persistentVolumeClaim": claim},
        ],
    } | {key: value for key, value in optional.items() if value}


def _container(owner: Meta, build: Revision, service: str, settings: Settings) -> Manifest:
    return {
        "name": "kserve-container",
        "image": build.engine["image"],
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["serve", f"--model_name={owner.name}", f"--http_port={names.HTTP_PORT}"],
        "env": environment(owner, build, service),
        # The first is the Service's port 80.
        "ports": [
            {"name": "http", "containerPort": names.HTTP_PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": names.GRPC_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": names.METRICS_PORT, "protocol": "TCP"},
        ],
        "resources": dict(build.serving.get("resources") or {}),
        "securityContext": restricted(),
        # A gateway sends requests for a moment after a pod is told to go.
        "lifecycle": {"preStop": {"sleep": {"seconds": seconds(settings.drain)}}},
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts(build),
    } | probes(owner)


def probes(owner: Meta) -> dict[str, Manifest]:
    """Return the probes of a predictor: ready when its model is, after as long as that takes."""
    ready = {"path": f"/v2/models/{owner.name}/ready", "port": names.HTTP_PORT}
    live = {"path": "/v2/health/live", "port": names.HTTP_PORT}
    starts = {"periodSeconds": 2, "failureThreshold": seconds(LOADING) // 2, "timeoutSeconds": 2}
    return {
        "startupProbe": {"httpGet": ready} | starts,
        "readinessProbe": {"httpGet": ready, "periodSeconds": 5, "timeoutSeconds": 3},
        "livenessProbe": {"httpGet": live, "periodSeconds": 10, "timeoutSeconds": 5},
    }


def mounts(build: Revision) -> list[Manifest]:
    """Return where a predictor finds its artifact, and where it may write."""
    artifact = {
        "name": "artifact",
        "mountPath": str(names.MODEL_DIR),
        "subPath": names.claim_path(build.artifact.uri),
        "readOnly": True,
    }
    return [{"name": "tmp", "mountPath": "/tmp"}, artifact]


def environment(owner: Meta, build: Revision, service: str) -> list[Manifest]:
    """Return what a predictor is told of its revision, in the InferenceService ``service``."""
    limits = {key: build.serving[key] for key in ("maxBatchTokens", "maxBatchDelay", "maxQueue")}
    engine = drop(build.engine, frozenset({"image"}))
    values = {
        "HOME": "/tmp",
        "MT_MODEL_DIR": str(names.MODEL_DIR),
        "MT_ARTIFACT_DIGEST": build.artifact.digest,
        "MT_REVISION": build.revision,
        "MT_RUN": build.run,
        "MT_ENGINE": compact(engine),
        "MT_SERVING": compact(limits),
    }
    if log := build.serving.get("requestLog"):
        origin = {"inferenceService": service, "namespace": owner.namespace}
        values["MT_REQUEST_LOG"] = compact(dict(log) | origin)
    return [{"name": name, "value": value} for name, value in values.items()]


def ours(entries: Mapping[str, str]) -> dict[str, str]:
    """Return those labels or annotations of an InferenceService that are the operator's."""
    return {key: value for key, value in entries.items() if key.startswith(OURS)}
