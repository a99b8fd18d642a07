"""How far a training is: what its trainer tells, checked, and written not too often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract.codec import format_time, parse_time
from mt_operator.core.observed import JobView, ObservedRun

Tree = Mapping[str, Any]
COUNTS = ("step", "totalSteps", "epoch", "estimatedRemainingSeconds")
LARGEST = 2**53
MAX_METRICS = 16


def progress_of(observed: ObservedRun, view: JobView) -> Tree | None:
    """Return the next ``status.progress``, or None where there is nothing new, or not yet time.

    What is not of the API's shape is left out: the trainer is the user's, not ours.
    """
    if view.progress is None:
        return None
    stored = observed.status.get("progress") or {}
    fresh = _checked(view.progress)
    if not fresh or fresh.items() <= stored.items():
        return None
    last = stored.get("lastUpdatedTime")
    if last is not None and observed.now - parse_time(last) < observed.settings.progress_interval:
        return None
    return dict(stored) | fresh | {"lastUpdatedTime": format_time(observed.now)}


def with_metrics(progress: Tree, metrics: Mapping[str, str]) -> dict[str, Any]:
    """Return ``progress`` with these metrics, in the list form that printer columns read."""
    old = {item["name"]: item["value"] for item in progress.get("metrics") or ()}
    new = {name: value for name, value in metrics.items() if _is_text(name) and _is_text(value)}
    merged = [{"name": name, "value": value} for name, value in (old | new).items()]
    return dict(progress) | {"metrics": merged[:MAX_METRICS]}


def _checked(told: Tree) -> dict[str, Any]:
    counts = {key: told[key] for key in COUNTS if _is_count(told.get(key), LARGEST)}
    if _is_count(told.get("progressPercentage"), 100):
        counts["progressPercentage"] = told["progressPercentage"]
    metrics = told.get("metrics")
    named = {}
    for item in metrics if isinstance(metrics, (list, tuple)) else ():
        if isinstance(item, Mapping) and _is_text(item.get("name")) and _is_text(item.get("value")):
            named[item["name"]] = item["value"]
    found = [{"name": name, "value": value} for name, value in named.items()]
    return counts | ({"metrics": found[:MAX_METRICS]} if found else {})


def _is_count(value: Any, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 63
