"""The headless Service that gives the pods of an Indexed Job names to find each other by."""

from __future__ import annotations

from mt_contract import names
from mt_operator.core.children.pod import Task, owner_reference
from mt_operator.core.plan import Child, Mode

JOB_LABEL = "batch.kubernetes.io/job-name"  # which Kubernetes sets on a Job's pods


def nodes_service(task: Task) -> Child:
    """Return the Service for the pods of ``task``, to be created once and before its Job."""
    labels = names.labels(str(task.stage), stage=task.stage, **task.labels)
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": names.nodes_service_name(task.name),
            "namespace": task.owner.namespace,
            "labels": dict(labels),
            "ownerReferences": [owner_reference(task.owner, task.owner_kind)],
        },
        "spec": {
            "clusterIP": "None",
            "selector": {JOB_LABEL: task.name},
            # They look for each other while none of them is ready.
            "publishNotReadyAddresses": True,
            "ports": [
                {"name": "coordinator", "port": names.COORDINATOR_PORT, "protocol": "TCP"},
            ],
        },
    }
    return Child(manifest, Mode.CREATE)
