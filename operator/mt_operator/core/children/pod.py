"""What every Job of ours has in common: restricted pods, claims mounted, a deterministic name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mt_contract import names
from mt_contract.names import ExitCode, Stage
from mt_contract.resource import Placement
from mt_operator.core.observed import Meta
from mt_operator.core.plan import Child, Manifest, Mode

USER = 65532  # of every image of ours
# The same in every Job: Katib demands a trial's primary container of all of its pods.
CONTAINER = "main"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
# A Job ends; a sidecar that does not would keep it from ever completing.
NO_SIDECAR = {"sidecar.istio.io/inject": "false"}
# Small requests, so that the short Jobs fit beside what serves.
SMALL: Mapping[str, Any] = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    "limits": {"memory": "1Gi"},
}


@dataclass(frozen=True)
class Task:
    """One Job of ours: what it runs, for whom, with what.

    ``owner`` and ``owner_kind`` say whose child it is, ``run`` and ``attempt`` what its name is
    made of, ``writes`` and ``reads`` which locations its claims are mounted for.
    """

    owner: Meta
    owner_kind: str
    run: str
    stage: Stage
    attempt: int
    image: str
    args: tuple[str, ...]
    env: Mapping[str, Any]  # anything but a string is passed as JSON
    service_account: str
    pull_policy: str
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    placement: Placement = field(default_factory=lambda: Placement(resources=SMALL))
    labels: Mapping[str, str] = field(default_factory=dict)  # by short key, as names.labels()

    @property
    def name(self) -> str:
        """Return the Job's name, a function of (owner UID, run, stage, attempt)."""
        return names.job_name(self.run, self.owner.uid, self.stage, self.attempt)

    @property
    def service(self) -> str | None:
        """Return the name of the Service by which its pods find each other; None: it has one."""
        return names.nodes_service_name(self.name) if self.placement.nodes > 1 else None


def job(task: Task) -> Child:
    """Return the Job, to be created once; its pods are retried by its own backoffLimit."""
    placement = task.placement
    labels = dict(names.labels(str(task.stage), stage=task.stage, **task.labels))
    queue = {QUEUE_LABEL: placement.queue_name} if placement.queue_name else {}
    spec: dict[str, Any] = {
        **_tries(placement),
        # Never two pods at work in one folder: the next one comes when the last one is gone.
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules()},
        "template": {
            "metadata": {"labels": labels | NO_SIDECAR, "annotations": NO_SIDECAR},
            "spec": _pod(task),
        },
    }
    if placement.active_deadline is not None:
        spec["activeDeadlineSeconds"] = seconds(placement.active_deadline)
    if queue:
        spec["suspend"] = True  # until the queue admits it
    metadata = {
        "name": task.name,
        "namespace": task.owner.namespace,
        "labels": labels | queue,
        "ownerReferences": [owner_reference(task.owner, task.owner_kind)],
    }
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    return Child(manifest, Mode.CREATE)


def _tries(placement: Placement) -> Manifest:
    """Return how many pods there are, and how often they are tried again.

    One of several that is lost takes all others down. Kubernetes would count each of them, and wait
    twice as long for each; counted and waited for by index, a round of failures is one.
    """
    if placement.nodes == 1:
        return {"backoffLimit": placement.backoff_limit}
    return {
        "completionMode": "Indexed",
        "completions": placement.nodes,
        "parallelism": placement.nodes,
        "backoffLimitPerIndex": placement.backoff_limit,
        "maxFailedIndexes": 0,
        # The first one publishes: what becomes of the others after that does not matter.
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
    }


def owner_reference(owner: Meta, kind: str) -> Manifest:
    """Return the reference that makes ``owner`` the controller of a child."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def claims_of(uris: Iterable[str]) -> tuple[str, ...]:
    """Return the PersistentVolumeClaims that ``uris`` name, each once, in order."""
    found = (names.claim_of(uri) for uri in uris)
    return tuple(dict.fromkeys(claim for claim in found if claim))


def restricted() -> Manifest:
    """Return a container's securityContext under Pod Security ``restricted``, root read-only."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def pod_security() -> Manifest:
    """Return a pod's securityContext under Pod Security ``restricted``."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _pod(task: Task) -> Manifest:
    placement = task.placement
    volumes, mounts = _claims(task.writes, task.reads)
    container = {
        "name": CONTAINER,
        "image": task.image,
        "imagePullPolicy": task.pull_policy,
        "args": list(task.args),
        "env": [*placement.env, {"name": "HOME", "value": "/tmp"}, *_env(task.env)],
        "envFrom": list(placement.env_from),
        "resources": dict(placement.resources),
        "securityContext": restricted(),
        "terminationMessagePolicy": "File",  # the last log lines are no result of ours
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *mounts],
    }
    optional = {
        "nodeSelector": dict(placement.node_selector),
        "tolerations": list(placement.tolerations),
        "priorityClassName": placement.priority_class_name,
        "subdomain": task.service,
    }
    return {
        "restartPolicy": "Never",
        "serviceAccountName": task.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *volumes],
    } | {key: value for key, value in optional.items() if value}


def _claims(writes: Iterable[str], reads: Iterable[str]) -> tuple[list[Manifest], list[Manifest]]:
    writable = claims_of(writes)
    read_only = [claim for claim in claims_of(reads) if claim not in writable]
    volumes: list[Manifest] = []
    mounts: list[Manifest] = []
    for number, claim in enumerate((*writable, *read_only)):
        name = f"claim-{number}"  # a claim's own name may be too long for a volume's
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
        mounts.append(
            {"name": name, "mountPath": str(names.CLAIM_ROOT / claim)}
            | ({"readOnly": True} if claim in read_only else {})
        )
    return volumes, mounts


def _env(values: Mapping[str, Any]) -> list[Manifest]:
    return [
        {"name": key, "value": value if isinstance(value, str) else compact(value)}
        for key, value in values.items()
    ]


def compact(value: Any) -> str:
    """Return ``value`` as JSON, without spaces and with keys in order."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _failure_rules() -> list[Manifest]:
    final = [ExitCode.BAD_CONFIGURATION, ExitCode.BAD_DATA, ExitCode.DIVERGED]
    codes = {"containerName": CONTAINER, "operator": "In", "values": final}
    disruption = {"type": "DisruptionTarget", "status": "True"}
    return [
        {"action": "FailJob", "onExitCodes": codes},  # would end the same way again
        {"action": "Ignore", "onPodConditions": [disruption]},  # no fault of the program
    ]


def seconds(value: timedelta) -> int:
    """Return whole seconds as Kubernetes takes them: at least one."""
    return max(1, round(value.total_seconds()))
