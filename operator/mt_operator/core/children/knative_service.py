"""The one InferenceService of a model in KServe's Knative mode: a template, and a percentage.

Knative makes a revision of its own of each template. It takes fewer fields of a pod than Kubernetes
does: no lifecycle, no grace period (its queue-proxy drains), one port, a claim only to read, and
what makes a pod ``restricted`` on the container, where no feature flag is needed for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from mt_contract import names
from mt_contract.codec import parse_duration
from mt_contract.defaults import drop
from mt_operator.core.children.inference_service import (
    ACCOUNT,
    KSERVE,
    environment,
    mounts,
    ours,
    probes,
)
from mt_operator.core.children.pod import owner_reference, pod_security, restricted, seconds
from mt_operator.core.model.state import Revision
from mt_operator.core.observed import Meta, ServiceView
from mt_operator.core.plan import Child, Manifest
from mt_operator.settings import Settings

PERCENT = "canaryTrafficPercent"
DEADLINE = "serving.knative.dev/progress-deadline"
MODE = f"{KSERVE}/deploymentMode"
# Knative keeps this one off its templates, so that removing it makes no revision.
DARK = {"networking.knative.dev/visibility": "cluster-local"}
OWN_METRICS = frozenset({"concurrency", "rps"})  # that Knative's own autoscaler knows


@dataclass(frozen=True)
class Exposure:
    """How an InferenceService is reached.

    ``percent`` of the requests go to the latest ready revision, the rest to the last one that had
    all of them. ``public``: clients outside the cluster may send some.
    """

    percent: int
    public: bool


def knative_service(
    owner: Meta,
    build: Revision,
    exposure: Exposure,
    settings: Settings,
    max_load: timedelta,
    mode: str = "Knative",
) -> Child:
    """Return the InferenceService with the template of ``build``.

    Args:
        owner: the model.
        build: what the template serves.
        exposure: how it is reached.
        settings: images' pull policy.
        max_load: after which Knative gives up on a revision that is not ready.
        mode: the name that this KServe has for the mode.
    """
    deadline = {DEADLINE: f"{seconds(max_load)}s"}
    labels = dict(names.labels("predictor", model=owner.name, revision=build.revision))
    annotations = {
        MODE: mode,
        f"{KSERVE}/enable-tag-routing": "true",  # from the start: setting it makes a revision
        names.ANNOTATION_TEMPLATE: template_inputs(owner, build),
    }
    metadata = {
        "name": names.shared_service_name(owner.name),
        "namespace": owner.namespace,
        "labels": labels if exposure.public else labels | DARK,
        "annotations": annotations,
        "ownerReferences": [owner_reference(owner, names.MODEL_KIND)],
    }
    predictor = _predictor(owner, build, settings) | {"annotations": deadline}
    predictor[PERCENT] = exposure.percent
    return _child(metadata, predictor)


def exposed(owner: Meta, observed: ServiceView, exposure: Exposure) -> Child:
    """Return ``observed`` with another exposure, and its template as it is."""
    labels = ours(observed.meta.labels)
    metadata = {
        "name": observed.meta.name,
        "namespace": owner.namespace,
        "labels": labels if exposure.public else labels | DARK,
        "annotations": ours(observed.meta.annotations),
        "ownerReferences": [owner_reference(owner, names.MODEL_KIND)],
    }
    child = _child(metadata, dict(observed.predictor) | {PERCENT: exposure.percent})
    return replace(child, removes=exposure.public and not is_public(observed))


def is_public(view: ServiceView) -> bool:
    """Return whether clients outside the cluster may reach an InferenceService."""
    return not DARK.items() <= view.meta.labels.items()


def template_inputs(owner: Meta, build: Revision) -> str:
    """Return the digest of all that decides the template of ``build``."""
    options = drop(build.serving, frozenset({"deploymentMode"}))
    artifact = [build.artifact.uri, build.artifact.digest]
    return names.digest([owner.name, build.revision, artifact, build.engine, options])


def percent_of(view: ServiceView) -> int:
    """Return the percentage that an InferenceService has; none is 100, as KServe takes it."""
    found = view.predictor.get(PERCENT)
    return 100 if found is None else int(found)


def _child(metadata: Manifest, predictor: Manifest) -> Child:
    return Child(
        {
            "apiVersion": f"{KSERVE}/v1beta1",
            "kind": "InferenceService",
            "metadata": metadata,
            "spec": {"predictor": predictor},
        }
    )


def _predictor(owner: Meta, build: Revision, settings: Settings) -> dict[str, Any]:
    options = build.serving
    bounds, timeout = options["replicas"], options.get("timeout")
    claim = {"claimName": names.claim_of(build.artifact.uri), "readOnly": True}
    optional = {
        "nodeSelector": dict(options.get("nodeSelector") or {}),
        "tolerations": list(options.get("tolerations") or []),
        "timeout": round(parse_duration(timeout).total_seconds()) if timeout else None,
    }
    scaled = bounds["metric"] in OWN_METRICS
    scaling = {"scaleMetric": bounds["metric"], "scaleTarget": bounds["target"]} if scaled else {}
    return {
        "minReplicas": bounds["min"],
        "maxReplicas": max(bounds["max"], bounds["min"]),
        ACCOUNT: options[ACCOUNT],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [_container(owner, build, settings)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "artifact", "persistentVolumeClaim": claim},
        ],
    } | {key: value for key, value in (scaling | optional).items() if value}


def _container(owner: Meta, build: Revision, settings: Settings) -> Manifest:
    pods = pod_security()
    user = {key: pods[key] for key in ("runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile")}
    return {
        "name": "kserve-container",
        "image": build.engine["image"],
        "imagePullPolicy": settings.image_pull_policy,
        # The metrics port of other modes is the queue-proxy's here; they are on the HTTP port too.
        "args": [
            "serve",
            f"--model_name={owner.name}",
            f"--http_port={names.HTTP_PORT}",
            "--metrics_port=0",
        ],
        "env": environment(owner, build, names.shared_service_name(owner.name)),
        "ports": [{"name": "http1", "containerPort": names.HTTP_PORT, "protocol": "TCP"}],
        "resources": dict(build.serving.get("resources") or {}),
        "securityContext": dict(restricted()) | user,
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts(build),
    } | probes(owner)
