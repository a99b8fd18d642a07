"""Readings and analyses for tests of live judgement, from a few counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mt_contract.codec import from_json
from mt_contract.defaults import ANALYSIS
from mt_contract.resource import Analysis
from mt_operator.core.analysis.evidence import Evidence, Sample, Window
from mt_operator.core.observed import Counters, PodReading, Reading

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
BUCKETS = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
OURS, THEIRS = "r-new", "r-old"


def analysis(*measures: Mapping[str, Any], **changes: Any) -> Analysis:
    """Return an analysis of ``measures`` (of ErrorRate, maxRatio 1.5), else as by default."""
    metrics = measures or ({"builtin": "ErrorRate", "maxRatio": "1.5"},)
    named = [{"name": f"m{number}"} | dict(metric) for number, metric in enumerate(metrics)]
    return from_json(Analysis, ANALYSIS | {"metrics": named} | changes)


def counted(requests: int = 0, errors: int = 0, **others: Any) -> Counters:
    """Return counters of so many requests, of which so many were answered 500."""
    codes = {"200": requests - errors, "500": errors}
    return replace(Counters(codes={k: n for k, n in codes.items() if n}), **others)


def took(*durations: tuple[int, float]) -> dict[str, int]:
    """Return a histogram of (how many, seconds)."""
    found = {str(b): sum(n for n, s in durations if s <= b) for b in BUCKETS}
    return found | {"+Inf": sum(n for n, _ in durations)}


def pod(uid: str, users: Counters = Counters(), process: str = "1", **others: Any) -> PodReading:  # noqa: B008 - it is frozen
    """Return one pod's reading."""
    return PodReading(uid, process, users=users, **others)


def reading(
    seconds: float,
    ours: Sequence[PodReading] = (),
    theirs: Sequence[PodReading] = (),
    **queries: Mapping[str, float],
) -> Reading:
    """Return a reading so many seconds after the start."""
    pods = {OURS: tuple(ours), THEIRS: tuple(theirs)}
    return Reading(START + timedelta(seconds=seconds), pods, queries)


def evidence(ours: Counters, theirs: Counters | None = None, **others: Any) -> Evidence:
    """Return evidence of users' requests, without looks."""
    production = None if theirs is None else Window(Sample(theirs))
    return Evidence(Window(Sample(ours), pods=1), production, **others)
