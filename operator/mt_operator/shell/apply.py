"""Carries out one plan: children, deletions, then at most one status write, then its events."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mt_contract import names
from mt_contract.codec import to_json
from mt_operator.core.conditions import (
    get_condition,
    read_conditions,
    remove_condition,
    set_condition,
    write_conditions,
)
from mt_operator.core.observed import ObservedRun, Tree
from mt_operator.core.plan import Child, Event, Mode, Plan, Ref
from mt_operator.core.reasons import Reason
from mt_operator.shell.api import Api, Object
from mt_operator.shell.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    NameTakenError,
    RefusedError,
    UnavailableError,
)
from mt_operator.shell.observe import Observed, Snapshot
from mt_operator.shell.views import owner_of

log = logging.getLogger(__name__)
MAX_NOTE = 1024  # bytes that the API server keeps of an event's text


@dataclass(frozen=True)
class Refusal:
    """Why something that the plan needs cannot be had before a person acts."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Outcome:
    """What carrying out a plan came to."""

    wrote_status: bool
    refused: tuple[Refusal, ...]


async def carry_out(
    api: Api, snapshot: Snapshot, plan: Plan, refused: tuple[Refusal, ...] = ()
) -> Outcome:
    """Do what ``plan`` says about ``snapshot``.

    What the API server refuses is reported in the condition Stalled and does not keep the rest of
    the plan from being done: the next status follows from the snapshot, not from this.

    Raises:
        ApiError: anything that another try may cure; the status is not written then.
        NotLeadingError: another process may lead by now.
    """
    for child in plan.apply:
        try:
            await _bring_about(api, child, snapshot)
        except RefusedError as error:
            refused = (*refused, refusal_of(error))
    for ref in plan.delete:
        await _delete(api, ref, snapshot)
    status = next_status(snapshot, plan, refused)
    if status is None:
        return Outcome(False, refused)
    try:
        await _write_status(api, snapshot, status)
    except RefusedError as error:
        refused = (*refused, refusal_of(error))
        await _tell_alone(api, snapshot, refused[-1])
        return Outcome(False, refused)
    await tell(api, snapshot, plan)
    return Outcome(True, refused)


async def tell(api: Api, snapshot: Snapshot, plan: Plan) -> None:
    """Write the events of a plan whose status stands; twice, they are there once."""
    for event in plan.events:
        await _emit(api, snapshot, event)


def stands(snapshot: Snapshot, plan: Plan) -> bool:
    """Return whether the status of ``plan`` is the stored one."""
    return plan.status is not None and to_json(plan.status) == snapshot.raw.get("status")


def refusal_of(error: RefusedError) -> Refusal:
    """Return what the condition Stalled says about an error."""
    taken = isinstance(error, NameTakenError)
    return Refusal(Reason.NAME_TAKEN if taken else Reason.REFUSED, str(error))


def next_status(
    snapshot: Snapshot, plan: Plan, refused: tuple[Refusal, ...]
) -> dict[str, Any] | None:
    """Return the status to write, or None where it stands there already."""
    stored = snapshot.raw.get("status") or {}
    status: dict[str, Any] = to_json(stored if plan.status is None else plan.status)
    if refused:
        status = stalled(status, stored, snapshot.observed, refused[0])
    return None if status == stored else status


def stalled(status: Tree, stored: Tree, observed: Observed, refusal: Refusal) -> dict[str, Any]:
    """Return ``status`` with the condition Stalled, as old as it is in the ``stored`` one."""
    conditions = remove_condition(read_conditions(status), "Stalled")
    before = get_condition(read_conditions(stored), "Stalled")
    conditions = set_condition(
        (*conditions, before) if before else conditions,
        "Stalled",
        True,
        refusal.reason,
        refusal.message,
        observed.meta.generation,
        observed.now,
    )
    return dict(status) | {"conditions": write_conditions(conditions)}


def contains(found: Any, wanted: Any) -> bool:
    """Return whether everything in ``wanted`` stands in ``found``, which may hold more."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and contains(found[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(found, (list, tuple))
            and len(found) == len(wanted)
            and all(map(contains, found, wanted))
        )
    return bool(found == wanted)


async def _tell_alone(api: Api, snapshot: Snapshot, refusal: Refusal) -> None:
    """Add why a status was refused to the stored one: else nobody but the log would know."""
    status = next_status(snapshot, Plan(), (refusal,))
    if status is not None:
        await _write_status(api, snapshot, status)


async def _write_status(api: Api, snapshot: Snapshot, status: Tree) -> None:
    head = {"apiVersion": names.API_VERSION, "kind": _kind_of(snapshot)}
    await api.replace(snapshot.raw | head | {"status": status}, "status")


async def _bring_about(api: Api, child: Child, snapshot: Snapshot) -> None:
    kind, name = child.key
    meta = snapshot.observed.meta
    found = snapshot.children.get(child.key)
    if found is None and child.mode is Mode.CREATE:
        try:
            await api.create(child.manifest)
            return
        except AlreadyExistsError:
            found = await api.get(kind, meta.namespace, name)
            if found is None:
                raise ConflictError(f"{kind} {meta.namespace}/{name} was just removed") from None
    elif found is None:
        found = await api.get(kind, meta.namespace, name)
        if found is None:
            await api.apply(child.manifest)
            return
    await _adopt(api, child, found, meta.uid)


async def _adopt(api: Api, child: Child, found: Object, owner: str) -> None:
    """Have an object that exists be as the child says, if it is ours."""
    kind, name = child.key
    if owner_of(found) != owner:
        raise NameTakenError(
            f"{kind} {name} exists already and belongs to something else: remove or rename it"
        )
    if "deletionTimestamp" in found["metadata"]:
        raise UnavailableError(f"{kind} {name} is still being removed")
    if child.mode is Mode.CREATE:
        return
    manifest = child.manifest
    head = {key: manifest[key] for key in ("apiVersion", "kind")}
    if not child.removes and contains(found | head, manifest):
        return
    # With its UID: should another object have taken the name meanwhile, this is a conflict.
    same = dict(manifest["metadata"]) | {"uid": found["metadata"]["uid"]}
    await api.apply(dict(manifest) | {"metadata": same})


async def _delete(api: Api, ref: Ref, snapshot: Snapshot) -> None:
    """Delete a child, if a live read still shows the object that the decision saw."""
    meta = snapshot.observed.meta
    found = await api.get(ref.kind, meta.namespace, ref.name)
    if found is None or found["metadata"]["uid"] != ref.uid:
        return
    if "deletionTimestamp" in found["metadata"]:
        return
    if owner_of(found) != meta.uid:
        log.warning("%s %s/%s is not ours: kept", ref.kind, meta.namespace, ref.name)
        return
    await api.delete(ref.kind, meta.namespace, ref.name, ref.uid)


async def _emit(api: Api, snapshot: Snapshot, event: Event) -> None:
    """Tell what happened; that it cannot be told undoes nothing."""
    meta = snapshot.raw["metadata"]
    moment = datetime.now(UTC)
    unique = names.short(meta["uid"], meta["resourceVersion"], event.reason, event.message)
    manifest = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.{unique}", "namespace": meta["namespace"]},
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": event.type,
        "reason": event.reason,
        "action": event.reason,
        "note": event.message.encode()[:MAX_NOTE].decode(errors="ignore"),
        "reportingController": names.GROUP,
        "reportingInstance": names.FIELD_MANAGER,
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": _kind_of(snapshot),
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        },
    }
    try:
        await api.create(manifest)
    except AlreadyExistsError:
        log.debug("the event %s was written before", manifest["metadata"])
    except ApiError as error:
        log.warning("an event could not be written (%s): %s", error, json.dumps(event.message))


def _kind_of(snapshot: Snapshot) -> str:
    return names.RUN_KIND if isinstance(snapshot.observed, ObservedRun) else names.MODEL_KIND
