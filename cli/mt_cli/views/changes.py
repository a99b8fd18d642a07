"""What has changed between two looks at a model, a line a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mt_cli.cluster import name_of, status_of
from mt_cli.views.headline import headline

Tree = Mapping[str, Any]


def changes(
    before: Tree | None, after: Tree, events_before: Sequence[Tree], events: Sequence[Tree]
) -> Iterator[str]:
    """Yield what is new in ``after``; on the first look, what happens now."""
    if before is None:
        yield f"{name_of(after)}: {headline(after)}"
        return
    known = {_key(event) for event in events_before}
    for event in events:
        if _key(event) not in known:
            yield f"event {event.get('reason')}: {event.get('message')}"
    if headline(before) != headline(after):
        yield headline(after)
    yield from _conditions(before, after)
    yield from _verdicts(before, after)


def _key(event: Tree) -> tuple[str, int]:
    return str((event.get("metadata") or {}).get("name")), int(event.get("count") or 0)


def _conditions(before: Tree, after: Tree) -> Iterator[str]:
    old = {entry["type"]: entry for entry in status_of(before).get("conditions") or ()}
    new = {entry["type"]: entry for entry in status_of(after).get("conditions") or ()}
    for kind, entry in new.items():
        past = old.get(kind) or {}
        keys = ("status", "reason", "message")
        if any(past.get(key) != entry.get(key) for key in keys):
            told = f"{entry.get('reason')}: {entry.get('message')}"
            yield f"{kind} is {entry.get('status')}: {told}"
    for kind in old.keys() - new.keys():
        yield f"{kind} is over"


def _verdicts(before: Tree, after: Tree) -> Iterator[str]:
    old, new = _analysis(before), _analysis(after)
    if new.get("verdict") and old.get("verdict") != new["verdict"]:
        told = f"analysis is {new['verdict']}"
        yield told + (f" after {new['requests']} requests" if "requests" in new else "")


def _analysis(model: Tree) -> Tree:
    found: Tree = (status_of(model).get("candidate") or {}).get("analysis") or {}
    return found
