"""In one line: what happens to a model just now, or why nothing does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_cli.cluster import condition, holds, status_of
from mt_cli.targets import spaced

Tree = Mapping[str, Any]


def headline(model: Tree) -> str:
    """Return in one line what happens to a model."""
    status = status_of(model)
    candidate = status.get("candidate") or {}
    if not status.get("conditions"):
        return "the operator has not seen it yet"
    if candidate:
        held = "paused: " if holds(model, "Paused") else ""
        return held + _candidate(candidate)
    for kind in ("Stalled", "Degraded", "Paused"):
        if holds(model, kind):
            reason = condition(model, kind).get("reason", kind)
            return f"{kind.lower()}: {spaced(str(reason))}"
    if holds(model, "UpToDate"):
        return "up to date"
    return str(condition(model, "UpToDate").get("reason") or "waiting for the operator")


def _candidate(candidate: Tree) -> str:
    stage, called = str(candidate.get("stage", "")), candidate.get("revision") or candidate["run"]
    weight = int(candidate.get("weight") or 0)
    if stage in ("Canary", "Promoting"):
        total = len((candidate.get("rollout") or {}).get("steps") or ())
        where = f" (step {int(candidate.get('step') or 0) + 1} of {total})" if total else ""
        return f"{stage.lower()}: {weight} % of the requests to {called}{where}"
    if stage == "RollingBack":
        reason = spaced(str(candidate.get("reason", "")))
        return f"rolling back {called}" + (f": {reason}" if reason else "")
    return f"{spaced(stage)}: {called}"
