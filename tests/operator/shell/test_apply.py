"""Carrying out a plan: what is sent, in which order, and what is said when it is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mt_contract.defaults import Images
from mt_operator.core.observed import Meta, ObservedRun
from mt_operator.core.plan import Child, Event, Mode, Plan, Ref
from mt_operator.core.reasons import Reason
from mt_operator.settings import Settings
from mt_operator.shell.api import Object
from mt_operator.shell.apply import Refusal, carry_out, contains, next_status
from mt_operator.shell.errors import (
    AlreadyExistsError,
    ConflictError,
    RefusedError,
    UnavailableError,
)
from mt_operator.shell.observe import Snapshot

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
RUN = Meta("run", "n", "uid-run", generation=2)


def child(name: str = "job", mode: Mode = Mode.CREATE, **spec: Any) -> Child:
    metadata = {"name": name, "namespace": "n"}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    return Child(manifest, mode)


def existing(name: str = "job", owner: str = RUN.uid, **fields: Any) -> Object:
    reference = {"uid": owner, "controller": True}
    metadata = {"name": name, "namespace": "n", "uid": f"uid-{name}"} | fields.pop("metadata", {})
    return {"metadata": metadata | {"ownerReferences": [reference]}, "spec": {}, **fields}


def snapshot(*children: Object, **status: Any) -> Snapshot:
    metadata = {"name": "run", "namespace": "n", "uid": RUN.uid, "resourceVersion": "7"}
    settings = Settings(Images("t", "p"))
    observed = ObservedRun(NOW, RUN, {}, status, settings)
    by_key = {("Job", each["metadata"]["name"]): each for each in children}
    return Snapshot({"metadata": metadata, "spec": {}, "status": status}, observed, by_key)


class Server:
    """Remembers what was written, and answers as it is told to."""

    def __init__(self, *objects: Object, **errors: Exception) -> None:
        self.objects = {each["metadata"]["name"]: each for each in objects}
        self.errors = errors
        self.sent: list[tuple[str, str]] = []
        self.status: Any = None

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        return self.objects.get(name)

    async def create(self, manifest: Object) -> Object:
        return self._write("event" if manifest["kind"] == "Event" else "create", manifest)

    async def apply(self, manifest: Object) -> Object:
        return self._write("apply", manifest)

    async def replace(self, manifest: Object, subresource: str = "") -> Object:
        self.status = manifest["status"]
        return self._write(subresource, manifest)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        self._write("delete", {"metadata": {"name": name}})

    def _write(self, verb: str, manifest: Object) -> Object:
        if verb in self.errors:
            raise self.errors[verb]
        name = manifest["regarding"]["name"] if verb == "event" else manifest["metadata"]["name"]
        self.sent.append((verb, name))
        return manifest


async def done(server: Any, seen: Snapshot, plan: Plan) -> list[tuple[str, str]]:
    await carry_out(server, seen, plan)
    return list(server.sent)


async def test_children_come_first_then_deletions_then_the_status_then_its_events() -> None:
    server = Server(existing("old"))
    plan = Plan(
        apply=(child("new"),),
        delete=(Ref("batch/v1", "Job", "old", "uid-old"),),
        status={"startTime": "x"},
        events=(Event("Normal", "Reason", "message"),),
    )
    assert await done(server, snapshot(existing("old")), plan) == [
        ("create", "new"),
        ("delete", "old"),
        ("status", "run"),
        ("event", "run"),
    ]


async def test_nothing_is_sent_where_nothing_differs() -> None:
    same = child("route", Mode.APPLY, weight=1)
    found = existing("route", spec={"weight": 1, "defaulted": True})
    plan = Plan(apply=(child(), same), status={"startTime": "x"}, events=(Event("N", "R", "m"),))
    assert not await done(Server(), snapshot(existing(), found, startTime="x"), plan)


async def test_child_that_takes_fields_away_is_sent_although_all_that_it_says_is_there() -> None:
    gone = replace(child("route", Mode.APPLY), removes=True)
    seen = snapshot(existing("route"))
    assert await done(Server(), seen, Plan(apply=(gone,))) == [("apply", "route")]


async def test_applied_child_carries_the_uid_that_was_seen() -> None:
    server = Server()
    seen = snapshot(existing("route", spec={"weight": 1}))
    assert await done(server, seen, Plan(apply=(child("route", Mode.APPLY, weight=2),))) == [
        ("apply", "route")
    ]


@pytest.mark.parametrize(
    ("found", "sent"),
    [
        pytest.param(existing(), [], id="ours, from a loop that was killed: adopted"),
        pytest.param(None, ConflictError, id="gone again: observed anew"),
        pytest.param(
            existing(metadata={"deletionTimestamp": "x"}), UnavailableError, id="on its way out"
        ),
    ],
)
async def test_create_meets_one_that_exists(
    found: Object | None, sent: list[tuple[str, str]] | type[Exception]
) -> None:
    server = Server(*([found] if found else []), create=AlreadyExistsError("there is one"))
    plan = Plan(apply=(child(),))
    if isinstance(sent, list):
        assert await done(server, snapshot(), plan) == sent
    else:
        with pytest.raises(sent):
            await done(server, snapshot(), plan)


@pytest.mark.parametrize("mode", [Mode.CREATE, Mode.APPLY])
async def test_name_that_is_taken_stalls_and_the_rest_is_done(mode: Mode) -> None:
    server = Server(existing(owner="somebody"), create=AlreadyExistsError("there is one"))
    seen = snapshot(existing("old"))
    server.objects["old"] = existing("old")
    plan = Plan(
        apply=(child(mode=mode),),
        delete=(Ref("batch/v1", "Job", "old", "uid-old"),),
        status={"a": 1},
    )
    outcome = await carry_out(server, seen, plan)  # type: ignore[arg-type]
    assert server.sent == [("delete", "old"), ("status", "run")]
    (refusal,) = outcome.refused
    assert refusal.reason is Reason.NAME_TAKEN
    (condition,) = server.status["conditions"]
    assert (condition["type"], condition["reason"]) == ("Stalled", "NameTaken")
    assert condition["observedGeneration"] == 2
    assert server.status["a"] == 1


async def test_refusal_is_told_once_and_not_written_again() -> None:
    server = Server(create=RefusedError("create Job n/job: 403 quota"))
    plan = Plan(apply=(child(),))
    await carry_out(server, snapshot(), plan)  # type: ignore[arg-type]
    assert server.sent == [("status", "run")]
    later = snapshot(**server.status)
    later = replace(later, observed=replace(later.observed, now=NOW + timedelta(hours=1)))
    again = Server(create=RefusedError("create Job n/job: 403 quota"))
    await carry_out(again, later, Plan(apply=(child(),), status={}))  # type: ignore[arg-type]
    assert not again.sent


async def test_error_that_may_pass_keeps_the_status_as_it_is() -> None:
    server = Server(create=UnavailableError("down"))
    with pytest.raises(UnavailableError):
        await done(server, snapshot(), Plan(apply=(child(),), status={"a": 1}))
    assert not server.sent


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="gone already"),
        pytest.param(existing("old", metadata={"uid": "another"}), id="another of that name"),
        pytest.param(existing("old", owner="somebody"), id="not ours"),
        pytest.param(existing("old", metadata={"deletionTimestamp": "x"}), id="going already"),
    ],
)
async def test_what_is_not_the_child_that_was_seen_is_not_deleted(found: Object | None) -> None:
    server = Server(*([found] if found else []))
    plan = Plan(delete=(Ref("batch/v1", "Job", "old", "uid-old"),))
    assert not await done(server, snapshot(), plan)


async def test_status_that_is_refused_leaves_the_stored_one_and_says_why() -> None:
    server = Server()
    replace_once = server.replace

    async def refuse_first(manifest: Object, subresource: str = "") -> Object:
        server.replace = replace_once  # type: ignore[method-assign]
        raise RefusedError("replace TrainingRun n/run: 422 a is no field")

    server.replace = refuse_first  # type: ignore[method-assign]
    outcome = await carry_out(server, snapshot(old=1), Plan(status={"a": 1}))  # type: ignore[arg-type]
    assert not outcome.wrote_status
    assert server.status["old"] == 1
    assert "a" not in server.status
    assert "422" in server.status["conditions"][0]["message"]


@pytest.mark.parametrize("error", [RefusedError("no"), AlreadyExistsError("it is there")])
async def test_event_that_cannot_be_written_undoes_nothing(error: Exception) -> None:
    server = Server(event=error)
    plan = Plan(status={"a": 1}, events=(Event("Normal", "Reason", "message"),))
    assert await done(server, snapshot(), plan) == [("status", "run")]


def test_status_of_another_kind_of_sequence_is_the_same() -> None:
    assert next_status(snapshot(items=[1, 2]), Plan(status={"items": (1, 2)}), ()) is None


def test_stalled_keeps_its_age_and_follows_its_reason() -> None:
    refusal = Refusal(Reason.REFUSED, "quota")
    first = next_status(snapshot(), Plan(), (refusal,))
    assert first is not None
    seen = snapshot(**first)
    later = replace(seen, observed=replace(seen.observed, now=NOW + timedelta(hours=1)))
    assert next_status(later, Plan(), (refusal,)) is None
    second = next_status(later, Plan(), (Refusal(Reason.IMPOSSIBLE, "odd"),))
    assert second is not None
    (old,), (new,) = first["conditions"], second["conditions"]
    assert new["reason"] == "Impossible"
    assert new["lastTransitionTime"] == old["lastTransitionTime"]


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, True, id="more is there"),
        pytest.param({"a": 1}, {"a": 2}, False, id="another value"),
        pytest.param({}, {"a": None}, False, id="missing"),
        pytest.param({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, True, id="more in an item"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, False, id="more items"),
        pytest.param({"a": [1]}, {"a": (1,)}, True, id="a tuple"),
        pytest.param({"a": "x"}, {"a": {"b": 1}}, False, id="another shape"),
    ],
)
def test_contains(found: Any, wanted: Any, same: bool) -> None:
    assert contains(found, wanted) is same
