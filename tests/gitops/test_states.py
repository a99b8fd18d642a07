"""Every state that a rollout goes through is one row of the table, for people and for all tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.gitops.argo_lua import run
from tests.gitops.kstatus import kstatus
from tests.gitops.recorded import RUNS, STORIES, decided, recorded
from tests.gitops.recording import Object

import states_table
from mt_contract import names
from states_table import ABSENT, MODEL_STATES, NOT_OBSERVED, RUN_STATES, State

ROOT = Path(__file__).parents[2]
LUA = ROOT / "manifests/argocd/lua"
TABLES = {names.MODEL_KIND: MODEL_STATES, names.RUN_KIND: RUN_STATES}
SCRIPTS = {kind: (LUA / kind / "health.lua").read_text(encoding="utf-8") for kind in TABLES}


def conditions(found: Object) -> dict[str, Mapping[str, Any]]:
    """Return the conditions of an object by type."""
    return {c["type"]: c for c in found["status"].get("conditions") or ()}


def fits(state: State, found: Object) -> bool:
    """Return whether the object is in this state."""
    observed = found["status"].get("observedGeneration") == found["metadata"]["generation"]
    if not observed or state is NOT_OBSERVED:
        return not observed and state is NOT_OBSERVED
    told = conditions(found)
    statuses = all(
        told.get(type, {}).get("status", ABSENT) in allowed
        for type, allowed in state.conditions.items()
    )
    reason = told.get(state.telling, {}).get("reason")
    wanted = state.candidate in (None, bool(found["spec"].get("candidate")))
    return statuses and wanted and (not state.reasons or reason in state.reasons)


def state_of(found: Object) -> State:
    """Return the one state that an object is in."""
    rows = [state for state in TABLES[found["kind"]] if fits(state, found)]
    told = [f"{c['type']}={c['status']} {c['reason']}" for c in conditions(found).values()]
    assert len(rows) == 1, f"{[row.name for row in rows]} for {told} in {found['status']}"
    return rows[0]


def check(found: Object) -> None:
    """Compare what tools make of an object with its row of the table."""
    state = state_of(found)
    assert kstatus(found) == state.kstatus, (state.name, found["status"])
    health = run(SCRIPTS[found["kind"]], found)
    assert health["status"] == state.health, (state.name, health, found["status"])
    assert health["message"], state.name
    if state.telling:
        assert conditions(found)[state.telling]["message"], state.name


@pytest.mark.parametrize("story", STORIES)
def test_all_that_is_ever_shown_is_in_the_table(story: str) -> None:
    objects = recorded(story)
    assert len(objects) >= 2
    for found in objects:
        check(found)


@pytest.mark.parametrize("run", RUNS)
def test_all_that_a_run_shows_is_in_the_table(run: str) -> None:
    check(decided(RUNS[run]))


@pytest.mark.parametrize("untrue", ["Ready", "UpToDate"])
def test_nothing_is_healthy_that_is_not_ready_and_up_to_date(untrue: str) -> None:
    told = [
        {"type": type, "status": str(type != untrue), "reason": "R", "message": f"{type}."}
        for type in ("Ready", "UpToDate")
    ]
    found = {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "conditions": told}}
    health = run(SCRIPTS[names.MODEL_KIND], found)
    assert (health["status"], health["message"]) == ("Progressing", f"R: {untrue}.")


@pytest.mark.parametrize("kind", TABLES)
def test_every_row_of_the_table_is_reached(kind: str) -> None:
    objects = [found for story in STORIES for found in recorded(story)]
    objects += [decided(observed) for observed in RUNS.values()]
    seen = {state_of(found).name for found in objects if found["kind"] == kind}
    assert seen == {state.name for state in TABLES[kind]}


def test_the_page_of_states_is_current() -> None:
    page = (ROOT / "docs/states.md").read_text(encoding="utf-8")
    assert page == states_table.page(), "run `make docs` and commit docs/states.md"
