"""The Job that translates with what is in production, made as the operator makes its own.

It belongs to whoever asked for it, not to the operator: no owner, another manager, and it goes by
itself some days after its end. What it wrote stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_cli.bulk.asked import ANNOTATION_OUTPUT, Asked
from mt_contract import names
from mt_contract.defaults import SERVICE_ACCOUNT
from mt_contract.names import Stage
from mt_contract.resource import Placement
from mt_operator.core.children.pod import Task, job
from mt_operator.core.observed import Meta

Tree = Mapping[str, Any]
MANAGER = "kubectl-translation"
KEPT = 7 * 24 * 3600  # seconds that a Job stays after its end
GRACE = 120  # seconds for the windows under way, when a pod is asked to end
RETRIES = 6  # of pods that fail in a way that may pass; each goes on where the last one was
_ENGINE = ("engine", "precision", "beamSize")


def batch_job(model: Tree, asked: Asked, after: str) -> Tree:
    """Return the Job that translates with what ``model`` has in production.

    Args:
        model: a TranslationModel with a production revision.
        asked: what for.
        after: name of the last Job with the same output, or "": its successor has another name,
            and two who ask at once have the same.
    """
    meta, production = model["metadata"], model["status"]["production"]
    output = names.short(meta["uid"], asked.output, after)
    name = names.job_name(meta["name"], output, Stage.BATCH, 1)
    made: dict[str, Any] = dict(job(_task(model, production, asked, name)).manifest)
    template = made["spec"]["template"]
    pod = {**template["spec"], "terminationGracePeriodSeconds": GRACE}
    made["spec"] = made["spec"] | {
        "ttlSecondsAfterFinished": KEPT,
        "template": {"metadata": _managed(template["metadata"]), "spec": pod},
    }
    made["metadata"] = {
        "name": name,
        "namespace": meta["namespace"],
        "labels": _managed(made["metadata"])["labels"],
        "annotations": {ANNOTATION_OUTPUT: asked.output},
    }
    return made


def _managed(metadata: Tree) -> dict[str, Any]:
    manager = {"app.kubernetes.io/managed-by": MANAGER}
    return {**metadata, "labels": {**metadata["labels"], **manager}}


def _task(model: Tree, production: Tree, asked: Asked, name: str) -> Task:
    meta, artifact, engine = model["metadata"], production["artifact"], production["engine"]
    return Task(
        owner=Meta(meta["name"], meta["namespace"], meta["uid"]),
        owner_kind=names.MODEL_KIND,
        run=meta["name"],
        stage=Stage.BATCH,
        attempt=1,
        image=engine["image"],
        args=_arguments(artifact["uri"], asked, name),
        env={
            "MT_ARTIFACT_DIGEST": artifact["digest"],
            "MT_ENGINE": {key: engine[key] for key in _ENGINE},
        },
        service_account=_account(model, production),
        pull_policy="IfNotPresent",
        writes=(asked.output,),
        reads=(artifact["uri"], *asked.inputs),
        placement=_placement(model, production, asked),
        labels={key: production[key] for key in ("run", "revision")} | {"model": meta["name"]},
    )


def _arguments(model: str, asked: Asked, name: str) -> tuple[str, ...]:
    told = {
        "--model": model,
        "--out": asked.output,
        "--format": asked.format,
        "--field": asked.field,
        "--fresh-for": name if asked.fresh else None,  # once for all pods of this Job
    }
    return ("batch", *(f"{key}={value}" for key, value in told.items() if value), *asked.inputs)


def _account(model: Tree, production: Tree) -> str:
    serving: Tree = production.get("serving") or {}
    spec: Tree = model.get("spec") or {}
    return str(
        serving.get("serviceAccountName") or spec.get("serviceAccountName") or SERVICE_ACCOUNT
    )


def _placement(model: Tree, production: Tree, asked: Asked) -> Placement:
    """Return where it runs: as what serves; with the credentials of trainings, for their places."""
    serving: Tree = production.get("serving") or {}
    training: Tree = (model.get("spec") or {}).get("training") or {}
    cpu = {"cpu": asked.cpu} if asked.cpu else {}
    memory = {"memory": asked.memory}
    return Placement(
        resources={"requests": {"cpu": "1"} | cpu | memory, "limits": cpu | memory},
        node_selector=serving.get("nodeSelector") or {},
        tolerations=tuple(serving.get("tolerations") or ()),
        backoff_limit=RETRIES,
        env=tuple(training.get("env") or ()),
        env_from=tuple(training.get("envFrom") or ()),
    )
