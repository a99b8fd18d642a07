"""What a training begins from, chosen once: an artifact's weights, the data of a run before."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.operator.builders import (
    DIGEST,
    MODEL_REFERENCE,
    RUN,
    RUN_UID,
    SPEC,
    model_view,
    observed_run,
    spec_with,
)
from tests.operator.run_builders import PRODUCTION, judged, measuring_run, named

from mt_contract.defaults import merge
from mt_contract.names import Stage
from mt_operator.core.observed import Meta, ObservedRun, RunView
from mt_operator.core.plan import Plan
from mt_operator.core.run.decide import decide_run

MODEL = model_view(status={"production": PRODUCTION})
NEVER = model_view()


def blessed(name: str, minute: int) -> RunView:
    return measuring_run(name, minute)


def refused(name: str, minute: int) -> RunView:
    strict = spec_with(evaluation={"gates": [{"name": "q", "metric": "chrF", "min": "99"}]})
    return measuring_run(name, minute, spec={**MODEL_REFERENCE, **strict})


def asked(warm: str = "None", divergence: str | None = None, **changes: Any) -> ObservedRun:
    checks = {"checks": {"maxDivergence": divergence}} if divergence else {}
    spec = {**MODEL_REFERENCE, **spec_with(training={"warmStartFrom": warm}, data=checks)}
    return observed_run(spec, **{"model": MODEL} | changes)


def begun(observed: ObservedRun) -> tuple[dict[str, Any], str, Plan]:
    """Return the stored inputs, what the event says, and what is decided then."""
    plan = decide_run(observed)
    assert plan.status is not None
    (event,) = plan.events
    after = decide_run(replace(observed, status=plan.status))
    return dict(plan.status["inputs"]), event.message, after


def env(plan: Plan) -> dict[str, str]:
    (child,) = plan.apply
    assert child.key == named(Stage.TRAIN)
    (container,) = child.manifest["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


def test_without_being_asked_it_begins_from_nothing() -> None:
    inputs, told, plan = begun(asked(runs=(blessed("before", 1),)))
    assert not {"parent", "previous"} & set(inputs)
    assert not {"MT_PARENT", "MT_PREVIOUS"} & set(env(plan))
    assert told == "Everything that training needs is known."


PARENTS = [
    pytest.param("Production", MODEL, (), "pt-en-old", id="what is in production"),
    pytest.param("Production", NEVER, (blessed("b", 1),), None, id="nothing is in production"),
    pytest.param(
        "LatestBlessed", MODEL, (blessed("a", 1), blessed("b", 2)), "b", id="the newest blessed"
    ),
    pytest.param(
        "LatestBlessed", MODEL, (blessed("a", 1), refused("b", 2)), "a", id="not one refused"
    ),
    pytest.param("LatestBlessed", MODEL, (refused("a", 1),), None, id="none is blessed"),
    pytest.param("None", MODEL, (blessed("a", 1),), None, id="nothing is asked for"),
]


@pytest.mark.parametrize(("warm", "model", "runs", "parent"), PARENTS)
def test_weights_are_those_of(warm: str, model: Any, runs: Any, parent: str | None) -> None:
    inputs, told, plan = begun(asked(warm, model=model, runs=runs))
    assert (inputs.get("parent") or {}).get("run") == parent
    given = env(plan).get("MT_PARENT")
    assert (json.loads(given)["run"] if given else None) == parent
    if parent:
        assert told.endswith(f"It starts from the weights of {parent}.")


@pytest.mark.parametrize(
    ("warm", "words"),
    [
        ("Production", "There is no production yet: it starts from fresh weights."),
        ("LatestBlessed", "No run is blessed yet: it starts from fresh weights."),
    ],
)
def test_what_is_not_there_is_told(warm: str, words: str) -> None:
    _, told, _ = begun(asked(warm, model=NEVER))
    assert told.endswith(words)


def test_the_trainer_is_told_run_place_and_digest() -> None:
    _, _, plan = begun(asked("Production"))
    told = {"run": "pt-en-old", "uri": "pvc://models/old/model", "digest": DIGEST}
    assert json.loads(env(plan)["MT_PARENT"]) == told


def test_a_parent_in_another_claim_can_be_read() -> None:
    elsewhere = merge(PRODUCTION, {"artifact": {"uri": "pvc://archive/old/model"}})
    _, _, plan = begun(asked("Production", model=model_view(status={"production": elsewhere})))
    (child,) = plan.apply
    spec = child.manifest["spec"]["template"]["spec"]
    claims = [v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"][1:]]
    assert "archive" in claims


def test_what_is_promoted_meanwhile_changes_nothing() -> None:
    before = asked("Production")
    stored = replace(before, status=decide_run(before).status or {})
    newer = merge(PRODUCTION, {"run": "newer", "artifact": {"digest": "sha256:" + "cd" * 32}})
    later = replace(stored, model=model_view(status={"production": newer}))
    assert decide_run(later) == decide_run(stored)


def aged(run: RunView, minute: int) -> RunView:
    """Return ``run`` with its training's end at ``minute``."""
    conditions = [
        {**c, "lastTransitionTime": f"2026-11-21T12:{minute:02}:00Z"}
        for c in run.status["conditions"]
    ]
    return replace(run, status={**run.status, "conditions": conditions})


def unfinished(name: str) -> RunView:
    return RunView(Meta(name, "team-a", name), SPEC, {"inputs": {"folder": "pvc://m/x"}})


def reused(name: str, minute: int) -> RunView:
    """Return a run that judged an artifact that another run had trained."""
    run = aged(blessed(name, minute), minute)
    conditions = [
        {**c, "reason": "Reused"} if c["type"] == "Trained" else c for c in run.status["conditions"]
    ]
    return replace(run, status={**run.status, "conditions": conditions})


PREVIOUS = [
    pytest.param((aged(blessed("a", 1), 1), aged(blessed("b", 2), 2)), "b", id="the newest"),
    pytest.param(
        (aged(blessed("a", 1), 1), aged(refused("b", 2), 2)), "b", id="whatever its gates said"
    ),
    pytest.param((aged(blessed("a", 1), 1), unfinished("b")), "a", id="one that published"),
    pytest.param((aged(blessed("a", 1), 1), reused("b", 2)), "a", id="one that trained"),
    pytest.param((), None, id="none"),
]


@pytest.mark.parametrize(("runs", "previous"), PREVIOUS)
def test_data_is_compared_with_that_of(runs: Any, previous: str | None) -> None:
    inputs, told, plan = begun(asked(divergence="0.2", runs=runs))
    assert (inputs.get("previous") or {}).get("run") == previous
    folder = next((r.status["inputs"]["folder"] for r in runs if r.meta.name == previous), None)
    assert env(plan).get("MT_PREVIOUS") == folder
    assert ("No earlier training" in told) is (previous is None)


def test_a_run_is_never_its_own_predecessor() -> None:
    me = aged(blessed(RUN, 1), 1)
    me = replace(me, meta=replace(me.meta, uid=RUN_UID))
    inputs, _, _ = begun(asked("LatestBlessed", divergence="0.2", runs=(me,)))
    assert not {"parent", "previous"} & set(inputs)


def test_a_run_that_is_over_still_says_what_it_began_from() -> None:
    over = judged(spec=asked("Production").spec, model=MODEL)
    status = decide_run(over).status or {}
    assert status["inputs"]["parent"]["run"] == "pt-en-old"
