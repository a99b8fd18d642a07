"""Where else a run is told of: resolved once, as all that its Jobs get."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mt_contract import names
from mt_contract.resource import RunSpec
from mt_operator.core.observed import ObservedRun

_GIT_REVISION = re.compile(r"[\w./:@+-]{1,128}", re.ASCII)


def tracking(
    observed: ObservedRun, spec: RunSpec, recipe_digest: str, cause: str
) -> Mapping[str, Any] | None:
    """Return ``status.inputs.tracking``, or None where nobody is told.

    Args:
        observed: the run.
        spec: the run's, resolved.
        recipe_digest: digest of what it runs with.
        cause: why it was started.
    """
    server = spec.tracking.mlflow
    if server is None:
        return None
    meta = observed.meta
    tags = {
        "translation.run": meta.name,
        "translation.runUid": meta.uid,
        "translation.namespace": meta.namespace,
        "translation.model": spec.model,
        "translation.cause": cause,
        "translation.recipeDigest": recipe_digest,
        "translation.image": spec.training.image,
        "mlflow.source.git.commit": _git_revision(observed),
    }
    return {
        "trackingUri": server.tracking_uri,
        "experiment": server.experiment or f"{meta.namespace}/{spec.model or meta.name}",
        "tags": {name: value for name, value in tags.items() if value},
    }


def _git_revision(observed: ObservedRun) -> str | None:
    """Return what Git calls the manifest, as an annotation of the run or its model tells."""
    metas = [observed.meta, *([observed.model.meta] if observed.model else [])]
    told = [meta.annotations.get(names.ANNOTATION_GIT_REVISION, "") for meta in metas]
    return next((text for text in told if _GIT_REVISION.fullmatch(text)), None)
