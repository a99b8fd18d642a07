"""The documented algorithm of kstatus (sigs.k8s.io/cli-utils), for objects of custom resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


def kstatus(found: Object) -> str:
    """Return InProgress, Current, Failed or Terminating.

    Generic rules first: deletion, the observed generation, then the first of Reconciling and
    Stalled that is True, in the order of the conditions; at last the condition Ready, which many
    controllers have. An object that says nothing is Current.
    """
    metadata, status = found["metadata"], found.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata["generation"]:
        return "InProgress"
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["status"] == "True" and condition["type"] == "Reconciling":
            return "InProgress"
        if condition["status"] == "True" and condition["type"] == "Stalled":
            return "Failed"
    ready = next((c for c in conditions if c["type"] == "Ready"), None)
    return "Current" if ready is None or ready["status"] == "True" else "InProgress"
