"""The TrainingRuns that a model makes: a copy of what was asked for, complete in itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract import names
from mt_contract.defaults import ENGINE_KEYS, pick
from mt_operator.core.children.pod import owner_reference
from mt_operator.core.observed import Meta
from mt_operator.core.plan import Child, Mode

ANNOTATION_CAUSE = f"{names.GROUP}/cause"
ANNOTATION_DIGEST = f"{names.GROUP}/artifact-digest"  # of what is reused
ANNOTATION_SOURCE = f"{names.GROUP}/source-run"  # the run that trained what is reused
ANNOTATION_SUPERSEDED = f"{names.GROUP}/superseded"  # we suspended it, so we may resume it

# What a run takes over as it is written, so that its model may change under it.
_COPIED = (
    "sourceLanguage",
    "targetLanguage",
    "storage",
    "data",
    "evaluation",
    "serviceAccountName",
    "tracking",
)


def training_run(owner: Meta, spec: Mapping[str, Any], name: str, cause: str) -> Child:
    """Return a run that trains what ``spec`` (of the model, as written) asks for."""
    training = {"training": dict(spec.get("training") or {})}
    return _run(owner, spec, name, {ANNOTATION_CAUSE: cause}, training)


def reusing_run(
    owner: Meta,
    spec: Mapping[str, Any],
    name: str,
    cause: str,
    source: str,
    artifact: Mapping[str, Any],
) -> Child:
    """Return a run that judges an ``artifact`` ({uri, digest}) anew, without training.

    Args:
        owner: the model.
        spec: of the model, as written.
        name: of the run.
        cause: Serving or Evaluation.
        source: the run that trained the artifact: its recipe is this run's, too.
        artifact: what is reused.
    """
    annotations = {
        ANNOTATION_CAUSE: cause,
        ANNOTATION_DIGEST: artifact["digest"],
        ANNOTATION_SOURCE: source,
    }
    return _run(owner, spec, name, annotations, {"import": {"uri": artifact["uri"]}})


def superseded_run(namespace: str, name: str, superseded: bool) -> Child:
    """Return the change that suspends a run nobody asks for any more, or lets it go on.

    It is suspended rather than deleted: its checkpoints stay, so that a revert of the spec goes on
    where it was; and its Job frees its GPU all the same.
    """
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    metadata |= {"annotations": {ANNOTATION_SUPERSEDED: "true"}} if superseded else {}
    return Child(
        {
            "apiVersion": names.API_VERSION,
            "kind": names.RUN_KIND,
            "metadata": metadata,
            "spec": {"suspend": superseded},
        },
        Mode.APPLY,
    )


def _run(
    owner: Meta,
    spec: Mapping[str, Any],
    name: str,
    annotations: Mapping[str, str],
    work: Mapping[str, Any],
) -> Child:
    engine = pick(spec.get("serving") or {}, ENGINE_KEYS)
    copied = {key: spec[key] for key in _COPIED if key in spec}
    manifest = {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN_KIND,
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": dict(names.labels("training", model=owner.name)),
            "annotations": dict(annotations),
            "ownerReferences": [owner_reference(owner, names.MODEL_KIND)],
        },
        "spec": {"modelRef": {"name": owner.name}, "candidate": True}
        | copied
        | dict(work)
        | ({"serving": engine} if engine else {}),
    }
    return Child(manifest, Mode.CREATE)
