"""Argo CD's resource actions: what can be clicked, and the one annotation that a click sets."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.gitops.argo_lua import patch_of, run
from tests.gitops.recorded import STORIES, moments
from tests.gitops.recording import Object, Recorded

from mt_contract.names import GROUP, MODEL_KIND, RUN_KIND

ROOT = Path(__file__).parents[2]
ARGOCD = ROOT / "manifests/argocd"
SUFFIX = r"/\d{8}T\d{6}Z"


def script(kind: str, name: str) -> str:
    return (ARGOCD / "lua" / kind / "actions" / f"{name}.lua").read_text(encoding="utf-8")


def enabled(found: Object) -> set[str]:
    """Return the actions that Argo CD lets people click."""
    offered = run(script(found["kind"], "discovery"), found)
    return {name for name, state in offered.items() if not state["disabled"]}


def names_of(kind: str) -> set[str]:
    return {file.stem for file in (ARGOCD / "lua" / kind / "actions").iterdir()} - {"discovery"}


def model(**status: Any) -> Object:
    metadata = {"name": "pt-en", "generation": 2}
    spec = {"serving": {}, "data": {"train": []}}
    return {"kind": MODEL_KIND, "metadata": metadata, "spec": spec, "status": status}


TRAINING = {"run": "run-2", "stage": "Training"}
STEPS = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 100}]
CANARY = {"run": "run-2", "revision": "r-2", "stage": "Canary", "step": 0}
CANARY |= {"rollout": {"steps": STEPS}}
REFUSED = {"run": "run-3", "reason": "GateFailed"}
FAILED = {"run": "run-4", "revision": "r-4", "reason": "AnalysisFailed"}
ALWAYS = {"retrain"}
TABLE = [
    pytest.param({}, set(), id="nothing has happened yet"),
    pytest.param({"candidate": TRAINING}, {"abort", "pause"}, id="a candidate trains"),
    pytest.param(
        {"candidate": CANARY},
        {"abort", "pause", "promote-full"},
        id="a candidate is given traffic",
    ),
    pytest.param(
        {"candidate": CANARY | {"step": 1}},
        {"abort", "pause", "promote", "promote-full"},
        id="a candidate has its traffic for a while",
    ),
    pytest.param(
        {"candidate": CANARY | {"analysis": {"verdict": "NoData"}}},
        {"abort", "pause", "promote", "promote-full"},
        id="there is no data to judge a candidate by",
    ),
    pytest.param(
        {"candidate": CANARY | {"stage": "AwaitingApproval"}},
        {"abort", "pause", "promote", "promote-full"},
        id="a candidate waits for an approval",
    ),
    pytest.param(
        {"candidate": CANARY | {"paused": True}},
        {"abort", "resume", "promote", "promote-full"},
        id="a candidate is paused",
    ),
    pytest.param({"candidate": CANARY | {"stage": "RollingBack"}}, set(), id="it goes back"),
    pytest.param({"rejected": [FAILED]}, {"retry"}, id="one was rejected under traffic"),
    pytest.param(
        {"rejected": [REFUSED, FAILED], "triggers": {"asked": {"run": "run-3"}}},
        {"retry", "bless"},
        id="what is asked for missed its gates",
    ),
    pytest.param(
        {"rejected": [REFUSED, FAILED], "triggers": {"asked": {"run": "run-4"}}},
        {"retry"},
        id="another run missed its gates, once",
    ),
    pytest.param({"previous": [{"revision": "r-1"}]}, {"rollback"}, id="there is a way back"),
    pytest.param(
        {"previous": [{"revision": "r-4"}], "rejected": [FAILED]},
        {"retry"},
        id="what served before was rejected since",
    ),
    pytest.param(
        {"previous": [{"revision": "r-2"}], "candidate": CANARY},
        {"abort", "pause", "promote-full"},
        id="the way back is under way",
    ),
]


@pytest.mark.parametrize(("status", "expected"), TABLE)
def test_what_can_do_nothing_cannot_be_clicked(status: dict[str, Any], expected: set[str]) -> None:
    assert enabled(model(**status)) == expected | ALWAYS


FULL = {
    "candidate": CANARY,
    "rejected": [REFUSED, FAILED],
    "triggers": {"asked": {"run": "run-3"}},
    "production": {"revision": "r-5"},
    # Rejected since, in production, about to be; then two that could serve again, the newest first.
    "previous": [{"revision": f"r-{number}"} for number in (4, 5, 2, 1, 0)],
}


@pytest.mark.parametrize(
    ("action", "annotation", "target"),
    [
        pytest.param("promote", "promote", "r-2", id="promote names the candidate"),
        pytest.param("promote-full", "promote", "full/r-2", id="promote-full skips the steps"),
        pytest.param("abort", "abort", "r-2", id="abort names the candidate"),
        pytest.param("pause", "pause", "r-2", id="pause names the candidate"),
        pytest.param("resume", "resume", "r-2", id="resume names the candidate"),
        pytest.param("retry", "retry", "run-4", id="retry names what was rejected last"),
        pytest.param("bless", "bless", "run-3", id="bless names the run that its gates refused"),
        pytest.param("rollback", "rollback", "r-1", id="rollback names what served before"),
        pytest.param("retrain", "retrain", "now", id="retrain needs no target"),
    ],
)
@pytest.mark.parametrize("before", [None, {"team": "a", f"{GROUP}/promote": "r-1/old"}])
def test_an_action_sets_one_annotation_and_nothing_else(
    action: str, annotation: str, target: str, before: dict[str, str] | None
) -> None:
    found = model(**FULL)
    if before is not None:
        found = {**found, "metadata": {**found["metadata"], "annotations": before}}
    patch = patch_of(script(MODEL_KIND, action), found)
    (token,) = patch["metadata"]["annotations"].values()
    assert patch == {"metadata": {"annotations": {f"{GROUP}/{annotation}": token}}}
    assert re.fullmatch(re.escape(target) + SUFFIX, token)


@pytest.mark.parametrize("action", sorted(names_of(MODEL_KIND) - ALWAYS))
def test_an_action_without_a_target_changes_nothing(action: str) -> None:
    assert patch_of(script(MODEL_KIND, action), model()) == {}


def test_a_candidate_without_a_revision_goes_by_its_run() -> None:
    patch = patch_of(script(MODEL_KIND, "abort"), model(candidate=TRAINING))
    assert patch["metadata"]["annotations"][f"{GROUP}/abort"].startswith("run-2/")


def test_a_run_can_be_stopped_and_go_on_until_it_is_over() -> None:
    found = {"kind": RUN_KIND, "metadata": {"name": "r"}, "spec": {}, "status": {}}
    assert enabled(found) == {"suspend"}
    assert patch_of(script(RUN_KIND, "suspend"), found) == {"spec": {"suspend": True}}
    stopped = {**found, "spec": {"suspend": True}}
    assert enabled(stopped) == {"resume"}
    assert patch_of(script(RUN_KIND, "resume"), stopped) == {"spec": {"suspend": False}}
    for type in ("Succeeded", "Failed"):
        over = {"conditions": [{"type": type, "status": "True"}]}
        assert enabled({**found, "status": over}) == set()


def test_nothing_new_can_be_started_while_the_model_is_suspended() -> None:
    found = model(**FULL)
    asleep = {**found, "spec": {"suspend": True}}
    assert enabled(found) - enabled(asleep) == {"promote-full", "bless", "retrain"}


def clicked(world: Recorded, action: str) -> tuple[str, Recorded]:
    """Return the token of an action, and the world in which the operator has handled it."""
    patch = patch_of(script(MODEL_KIND, action), world.model())
    ((key, token),) = patch["metadata"]["annotations"].items()
    again, handled = deepcopy(world), key.removeprefix(f"{GROUP}/")
    again.annotations[key] = token
    for _ in range(20):
        again.look()
        again.live()
        if again.status.get("handled", {}).get(handled) == token:
            break
    return f"{handled}={token}", again


def test_what_can_be_clicked_is_done_by_the_operator() -> None:
    seen: set[tuple[str, str | None, bool]] = set()
    for world in (moment for story in STORIES for moment in moments(story)):
        found, candidate = world.model(), world.candidate
        offered = run(script(MODEL_KIND, "discovery"), found)
        assert set(offered) == names_of(MODEL_KIND)
        stage, paused = candidate.get("stage"), bool(candidate.get("paused"))
        where = {(action, stage, paused) for action in enabled(found)} - seen
        for action, *_ in where:
            token, after = clicked(world, action)
            told = after.told("ActionAccepted")
            assert told["message"].startswith(token), (action, told)
            # Only what stands in the way of everything may refuse it.
            obstacle = after.told("Stalled") or after.told("Reconciling")
            refused = obstacle and obstacle["message"] in told["message"]
            assert told["status"] == "True" or refused, (action, told)
        seen |= where
    assert {action for action, *_ in seen} == names_of(MODEL_KIND)


def test_the_config_map_of_argo_cd_holds_these_files() -> None:
    component = yaml.safe_load((ARGOCD / "component/argocd-cm.yaml").read_text(encoding="utf-8"))
    for kind in (MODEL_KIND, RUN_KIND):
        held = component["data"]
        health = (ARGOCD / "lua" / kind / "health.lua").read_text(encoding="utf-8")
        assert held[f"resource.customizations.health.{GROUP}_{kind}"] == health, "run `make docs`"
        actions = yaml.safe_load(held[f"resource.customizations.actions.{GROUP}_{kind}"])
        assert actions["discovery.lua"] == script(kind, "discovery"), "run `make docs`"
        found = {each["name"]: each["action.lua"] for each in actions["definitions"]}
        assert found == {name: script(kind, name) for name in names_of(kind)}, "run `make docs`"
