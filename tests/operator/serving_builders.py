"""A revision, and the container that serves it, for tests of InferenceServices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.operator.model_builders import IMAGES, MODEL, NAMESPACE, NOW, UID

from mt_contract.defaults import SERVING, merge, resolve_engine
from mt_contract.resource import ArtifactRef
from mt_operator.core.model.state import Revision
from mt_operator.core.observed import Meta
from mt_operator.core.plan import Child

OWNER = Meta(MODEL, NAMESPACE, UID)


def build(serving: Mapping[str, Any] | None = None) -> Revision:
    """Return a revision with ``serving`` laid upon the defaults."""
    options = merge(SERVING, serving or {}) | {"serviceAccountName": "translation"}
    return Revision(
        revision="r-4c1f90ab",
        run="pt-en-7h2xk",
        requested=NOW,
        artifact=ArtifactRef("pvc://models/pt-en/pt-en-7h2xk-0f8f9a5c/model", "sha256:ab"),
        folder="pvc://models/pt-en/pt-en-7h2xk-0f8f9a5c",
        engine=resolve_engine({}, IMAGES),
        serving=options,
        written={},
    )


def container(child: Child) -> Mapping[str, Any]:
    """Return the one container of an InferenceService."""
    (found,) = child.manifest["spec"]["predictor"]["containers"]
    return dict(found)
