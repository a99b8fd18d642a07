"""What Knative tells of an InferenceService and its revisions, as plain values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mt_contract import names
from mt_operator.core.observed import KnativeRevision, KnativeTarget, KnativeView, Tree
from mt_operator.shell.views import is_ready, oldest_first, waiting_of, words_of

REVISION = "serving.knative.dev/revision"  # Knative's label on a revision's pods
SCALE = "autoscaling.knative.dev/"


def knative_view(found: Tree, revisions: Iterable[Tree], pods: Sequence[Tree]) -> KnativeView:
    """Return what an InferenceService says of its traffic.

    Args:
        found: the InferenceService.
        revisions: Knative's revisions of it.
        pods: its predictor's pods.
    """
    status = found.get("status") or {}
    predictor = (status.get("components") or {}).get("predictor") or {}
    return KnativeView(
        created=predictor.get("latestCreatedRevision") or "",
        ready=predictor.get("latestReadyRevision") or "",
        rolled_out=predictor.get("latestRolledoutRevision") or "",
        traffic=tuple(map(_target, predictor.get("traffic") or ())),
        revisions={each["metadata"]["name"]: _revision(each, pods) for each in revisions},
    )


def _target(entry: Tree) -> KnativeTarget:
    return KnativeTarget(
        entry.get("revisionName") or "",
        int(entry.get("percent") or 0),
        bool(entry.get("latestRevision")),
    )


def _revision(found: Tree, pods: Sequence[Tree]) -> KnativeRevision:
    meta = found["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    conditions = {c["type"]: c for c in (found.get("status") or {}).get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    mine = [
        pod
        for pod in pods
        if (pod["metadata"].get("labels") or {}).get(REVISION) == meta["name"]
        and "deletionTimestamp" not in pod["metadata"]
    ]
    waiting = [waiting_of(pod) for pod in oldest_first(mine) if not is_ready(pod)]
    told = words_of(ready) if ready.get("status") == "False" else ""
    return KnativeRevision(
        revision=labels.get(names.LABEL_REVISION, ""),
        inputs=annotations.get(names.ANNOTATION_TEMPLATE, ""),
        ready=ready.get("status") == "True",
        ready_replicas=sum(map(is_ready, mine)),
        min_scale=_number(annotations.get(f"{SCALE}min-scale"), 0),
        max_scale=_number(annotations.get(f"{SCALE}max-scale"), 0),
        waiting=next((text for text in reversed(waiting) if text), told),
    )


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() else otherwise
