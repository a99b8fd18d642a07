"""Names that more than one program relies on: API group, labels, children, storage locations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

GROUP = "translation.kubeflow.org"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
MODEL_KIND, MODEL_PLURAL = "TranslationModel", "translationmodels"
RUN_KIND, RUN_PLURAL = "TrainingRun", "trainingruns"
FIELD_MANAGER = "mt-operator"

# Labels of what the operator makes. Values are names, so always valid label values.
LABEL_MODEL = f"{GROUP}/model"
LABEL_RUN = f"{GROUP}/run"
LABEL_STAGE = f"{GROUP}/stage"
LABEL_REVISION = f"{GROUP}/revision"
# On an InferenceService: digest of what its pod template was made from; set when that changes.
ANNOTATION_TEMPLATE = f"{GROUP}/template-inputs"

# On a run or its model: the revision in Git that it comes from, for whoever tracks experiments.
ANNOTATION_GIT_REVISION = f"{GROUP}/git-revision"

# Where a Job or a predictor finds things inside its container.
CLAIM_ROOT = PurePosixPath("/mnt/pvc")  # pvc://claim/path is CLAIM_ROOT/claim/path
MODEL_DIR = PurePosixPath("/mnt/models")  # the predictor's artifact
HTTP_PORT, GRPC_PORT, METRICS_PORT = 8080, 8081, 9090
COORDINATOR_PORT = 8476  # of the first of the pods that train together, for the others

# Files of a run's folder, relative to it.
MODEL_FOLDER = "model"
TRAIN_RESULT = "train-result.json"
DATASET = "dataset.json"  # what was found in the text
METRICS = "metrics.jsonl"  # a line for each moment of a training
MLFLOW_RUN = "mlflow.json"  # which run of an MLflow server it is told to
EVALUATION_RESULT = "evaluation/result.json"
TRANSLATIONS = "evaluation/translations.jsonl"


class Stage(StrEnum):
    """What a Job does; part of its name."""

    TRAIN = "train"
    IMPORT = "import"
    EVALUATE = "evaluate"
    COLLECT_TRAIN = "collect-train"
    COLLECT_EVALUATE = "collect-evaluate"
    PROBE = "probe"
    TRAFFIC = "traffic"
    BATCH = "batch"


class ExitCode:
    """Exit codes of trainer and predictor. BAD_* and DIVERGED fail the Job at once, else retry."""

    DONE = 0
    INTERNAL = 1
    BAD_CONFIGURATION = 2
    BAD_DATA = 3
    DIVERGED = 4
    STORAGE = 5
    NODE_LOST = 6


def canonical(value: Any) -> bytes:
    """Return the JSON form of ``value`` that digests are taken of: sorted, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Any) -> str:
    """Return ``sha256:<hex>`` of the canonical JSON of ``value``."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def short(*parts: object, length: int = 8) -> str:
    """Return ``length`` hexadecimal characters that depend on all ``parts`` and their order."""
    return hashlib.sha256(canonical([str(p) for p in parts])).hexdigest()[:length]


def revision_name(
    artifact_digest: str, engine: str, precision: str, beam_size: int, image: str
) -> str:
    """Return the revision's name: everything that changes translations, hashed (``r-4c1f90ab``)."""
    return "r-" + short(artifact_digest, engine, precision, beam_size, image)


def inference_service_name(model: str, revision: str) -> str:
    """Return the InferenceService's name; with ``-predictor`` it has at most 63 characters."""
    return f"{model}-{revision}"


def shared_service_name(model: str) -> str:
    """Return the name of the one InferenceService that a model has in KServe's Knative mode.

    Not the model's own name: a team may have one of that name. ``latest-<name>-predictor``, the
    host of a canary, has at most 63 characters.
    """
    return f"{model}-mt"


def route_name(model: str) -> str:
    """Return the name of the HTTPRoute that splits a model's traffic."""
    return f"{model}-split"


def run_name(model: str, model_uid: str, recipe_digest: str, cause: str, token: str) -> str:
    """Return the name of a run that the operator makes: made twice, it is one."""
    return f"{model}-{short(model_uid, recipe_digest, cause, token)}"


def job_name(run: str, owner_uid: str, stage: Stage, attempt: int) -> str:
    """Return a Job's name (at most 63 characters): a function of these four."""
    return f"{run[:37]}-{stage}-{short(owner_uid, run, stage, attempt)}".replace("--", "-")


def nodes_service_name(job: str) -> str:
    """Return the name of the Service by which the pods of an Indexed Job find each other.

    It begins with a letter, which a run's name need not; that of a train Job fits 63 characters.
    """
    return f"nodes-{job}"


def coordinator(job: str, namespace: str) -> str:
    """Return where the first pod of an Indexed Job waits for the others: ``host:port``."""
    return f"{job}-0.{nodes_service_name(job)}.{namespace}.svc:{COORDINATOR_PORT}"


def run_folder(storage_uri: str, run: str, uid: str) -> str:
    """Return the URI of the run's own folder below the model's storage."""
    return f"{storage_uri.rstrip('/')}/{run}-{uid[:8]}"


def claim_of(uri: str) -> str | None:
    """Return the PersistentVolumeClaim that a ``pvc://`` URI names, or None for another scheme."""
    scheme, _, rest = uri.partition("://")
    return rest.split("/", 1)[0] if scheme == "pvc" else None


def claim_path(uri: str) -> str:
    """Return the path inside the claim of a ``pvc://`` URI, without slashes around it.

    Raises:
        ValueError: ``uri`` is not a ``pvc://`` URI, or climbs out of its claim.
    """
    scheme, _, rest = uri.partition("://")
    claim, _, path = rest.partition("/")
    path = path.strip("/")
    if scheme != "pvc" or claim in ("", ".", "..") or ".." in path.split("/"):
        raise ValueError(
            f"{uri!r} is not a location inside a claim: write pvc://<claim>/<path>, without '..'"
        )
    return path


def local_path(uri: str, claim_root: str | PurePosixPath = CLAIM_ROOT) -> str:
    """Return where a container reads ``uri``: pvc:// below ``claim_root``, files as they are.

    Raises:
        ValueError: the scheme is not one of these, or the path climbs out of its claim.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    if scheme == "file":
        return rest
    if scheme == "pvc":
        return str(PurePosixPath(claim_root, claim_of(uri) or "", claim_path(uri)))
    raise ValueError(
        f"{uri!r}: this release reads pvc:// and file:// locations; copy the data to a claim first"
    )


def labels(component: str, **own: str) -> Mapping[str, str]:
    """Return a child's labels: the recommended ones, and ``own`` by short key (``model``)."""
    return {
        "app.kubernetes.io/name": "translation",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "kubeflow",
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
    } | {f"{GROUP}/{key.replace('_', '-')}": value for key, value in own.items()}
