"""A model's status as JSON: read before a decision, written after it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from mt_contract.codec import camel, from_json, to_json
from mt_operator.core.analysis.evidence import encode_baseline
from mt_operator.core.conditions import read_conditions, write_conditions
from mt_operator.core.model.state import (
    Analysed,
    Asked,
    Candidate,
    ModelStatus,
    Previous,
    Rejected,
    Retiring,
    Revision,
    Tree,
)


def decode_status(tree: Tree) -> ModelStatus:
    """Return the stored status.

    Raises:
        DecodeError: somebody else wrote to it; the message names the field.
    """
    triggers = tree.get("triggers") or {}
    production, candidate = tree.get("production"), tree.get("candidate")
    return ModelStatus(
        asked=from_json(Asked, triggers["asked"], "status.asked") if "asked" in triggers else None,
        production=from_json(Revision, production, "status.production") if production else None,
        candidate=_candidate(candidate) if candidate else None,
        previous=_past(Previous, tree, "previous"),
        retiring=_past(Retiring, tree, "retiring"),
        rejected=_list(Rejected, tree, "rejected"),
        handled=tree.get("handled") or {},
        conditions=read_conditions(tree),
        pair=tree.get("pair"),
        url=tree.get("url"),
        traffic_backend=tree.get("trafficBackend") or "",
        generation=tree.get("observedGeneration", 0),
    )


def encode_status(status: ModelStatus, stored: Tree) -> dict[str, Any]:
    """Return ``status`` as JSON, laid upon ``stored`` (which may hold what later releases add)."""
    triggers = dict(stored.get("triggers") or {})
    if status.asked:
        triggers["asked"] = {k: v for k, v in to_json(status.asked).items() if v}
    ours: dict[str, Any] = {
        "observedGeneration": status.generation,
        "triggers": triggers,
        "production": _revision(status.production) if status.production else None,
        "candidate": _flat(status.candidate) if status.candidate else None,
        "previous": [_flat(entry) for entry in status.previous],
        "retiring": [_flat(entry) for entry in status.retiring],
        "rejected": to_json(status.rejected),
        "handled": dict(status.handled),
        "conditions": write_conditions(status.conditions),
        "pair": status.pair,
        "url": status.url,
        "address": {"url": status.url} if status.url else None,
        "trafficBackend": status.traffic_backend or None,
    }
    kept = {key: value for key, value in stored.items() if key not in ours}
    return kept | {key: value for key, value in ours.items() if value not in (None, [], {})}


def _list(cls: type[Any], tree: Tree, key: str) -> tuple[Any, ...]:
    items = tree.get(key) or ()
    return tuple(from_json(cls, item, f"status.{key}[{i}]") for i, item in enumerate(items))


def _candidate(tree: Tree) -> Candidate:
    """Decode a candidate, whose revision stands flat beside its progress."""
    where = "status.candidate"
    build = from_json(Revision, tree, where) if tree.get("revision") else None
    return replace(from_json(Candidate, tree, where), build=build)


def _past(cls: type[Any], tree: Tree, key: str) -> tuple[Any, ...]:
    """Decode entries whose revision stands flat beside what is known of it since."""
    entries = []
    for number, item in enumerate(tree.get(key) or ()):
        where = f"status.{key}[{number}]"
        build = from_json(Revision, item, where)
        entries.append(from_json(cls, {**item, "build": to_json(build)}, where))
    return tuple(entries)


def _flat(value: Candidate | Retiring | Previous) -> dict[str, Any]:
    own = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "build"}
    plain = {camel(name): _plain(item) for name, item in own.items() if _said(item)}
    return (_revision(value.build) if value.build else {}) | plain


def _revision(build: Revision) -> dict[str, Any]:
    return {key: item for key, item in to_json(build).items() if _said(item)}


def _plain(item: Any) -> Any:
    if not isinstance(item, Analysed):
        return to_json(item)
    baseline = encode_baseline(item.baseline) if item.baseline else None
    found = to_json(replace(item, baseline=None)) | ({"baseline": baseline} if baseline else {})
    return {key: value for key, value in found.items() if value not in (0, "", [])}


def _said(item: Any) -> bool:
    return item is not None and item is not False and item != ""
