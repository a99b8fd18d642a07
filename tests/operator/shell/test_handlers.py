"""Which objects an event wakes, and that kopf is told to write nothing."""

from __future__ import annotations

from typing import Any

import pytest

from mt_contract import names
from mt_operator.shell.handlers import Wakeups, belongs_to, registry, settings
from mt_operator.shell.queue import Key

MODEL, RUN = names.MODEL_KIND, names.RUN_KIND


def found(name: str, **fields: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "n", "generation": fields.pop("generation", 1)}
    return {"metadata": meta | fields.pop("metadata", {}), **fields}


def owned_by(kind: str, name: str, version: str = names.API_VERSION) -> dict[str, Any]:
    reference = {"apiVersion": version, "kind": kind, "name": name, "controller": True}
    return {"ownerReferences": [reference]}


@pytest.mark.parametrize(
    ("metadata", "keys"),
    [
        pytest.param(owned_by(RUN, "r"), [Key(RUN, "n", "r")], id="a run's Job"),
        pytest.param(owned_by(MODEL, "m"), [Key(MODEL, "n", "m")], id="a model's route"),
        pytest.param(
            owned_by("Job", "j", "batch/v1") | {"labels": {names.LABEL_RUN: "r"}},
            [Key(RUN, "n", "r")],
            id="a pod of a run's Job",
        ),
        pytest.param(
            owned_by("ReplicaSet", "s", "apps/v1") | {"labels": {names.LABEL_MODEL: "m"}},
            [Key(MODEL, "n", "m")],
            id="a pod of a predictor",
        ),
        pytest.param(
            {"labels": {names.LABEL_RUN: "r", names.LABEL_MODEL: "m"}},
            [Key(RUN, "n", "r"), Key(MODEL, "n", "m")],
            id="a pod of a probe",
        ),
        pytest.param(owned_by("Thing", "t", "other/v1"), [], id="somebody else's"),
        pytest.param({}, [], id="nobody's"),
    ],
)
def test_child_wakes_whom_it_belongs_to(metadata: dict[str, Any], keys: list[Key]) -> None:
    assert list(belongs_to(found("x", metadata=metadata))) == keys


class Heard:
    """Wake-ups, and what they woke."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.wakeups = Wakeups(self.keys.append)

    def since(self) -> set[Key]:
        keys = set(self.keys)
        self.keys.clear()
        return keys


def test_run_wakes_itself_and_its_model() -> None:
    heard = Heard()
    heard.wakeups.run("ADDED", found("r", spec={"modelRef": {"name": "m"}}))
    assert heard.since() == {Key(RUN, "n", "r"), Key(MODEL, "n", "m")}
    heard.wakeups.run("ADDED", found("alone", spec={}))
    assert heard.since() == {Key(RUN, "n", "alone")}


@pytest.mark.parametrize(
    ("change", "generation", "wakes_runs"),
    [
        pytest.param("ADDED", 1, True, id="it came: runs may wait for it"),
        pytest.param(None, 1, True, id="it was there when the watch began"),
        pytest.param("MODIFIED", 2, True, id="its spec changed: it may be suspended no more"),
        pytest.param("MODIFIED", 1, False, id="only its status changed"),
        pytest.param("DELETED", 1, True, id="it went"),
    ],
)
def test_model_wakes_its_runs_where_its_spec_matters(
    change: str | None, generation: int, wakes_runs: bool
) -> None:
    heard = Heard()
    heard.wakeups.model("ADDED", found("m"))
    heard.wakeups.run("ADDED", found("r", spec={"modelRef": {"name": "m"}}))
    heard.since()
    heard.wakeups.model(change, found("m", generation=generation))
    runs = {Key(RUN, "n", "r")} if wakes_runs else set()
    assert heard.since() == {Key(MODEL, "n", "m")} | runs


def test_deleted_run_is_forgotten() -> None:
    heard = Heard()
    run = found("r", spec={"modelRef": {"name": "m"}})
    heard.wakeups.run("ADDED", run)
    heard.wakeups.run("DELETED", run)
    heard.since()
    heard.wakeups.model("DELETED", found("m"))
    assert heard.since() == {Key(MODEL, "n", "m")}


def test_kopf_posts_nothing_and_no_name_of_kopfs_own_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    chosen = settings(namespaced=False)
    assert not chosen.posting.enabled
    assert chosen.persistence.finalizer.startswith(names.GROUP)
    handlers = registry(Wakeups(lambda key: None))
    assert not handlers._changing.get_all_handlers()
    assert not handlers._spawning.get_all_handlers()
    assert len(handlers._watching.get_all_handlers()) == 7
