"""Where else a run is told of: what its Jobs are given, and what of it is resolved when."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.operator.builders import (
    MODEL_REFERENCE,
    RUN,
    RUN_UID,
    job_view,
    jobs,
    model_view,
    observed_run,
    run_meta,
    spec_with,
    train_result,
)

from mt_contract.names import Stage
from mt_operator.core.observed import JobState, ObservedRun
from mt_operator.core.run.decide import decide_run

SERVER = {"trackingUri": "http://mlflow.kubeflow:5000"}
REVISION = "translation.kubeflow.org/git-revision"
COMMIT = "mlflow.source.git.commit"


def tracked(spec: Any = None, **changes: Any) -> ObservedRun:
    return observed_run(spec or spec_with(tracking={"mlflow": SERVER}), **changes)


def after(observed: ObservedRun) -> ObservedRun:
    return replace(observed, status=decide_run(observed).status or observed.status)


def env(observed: ObservedRun) -> dict[str, Any]:
    (child,) = decide_run(observed).apply
    (container,) = child.manifest["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value") for entry in container["env"]}


def told(observed: ObservedRun) -> tuple[dict[str, str], dict[str, str]]:
    given = env(after(observed))
    return json.loads(given["MT_TRACKING"]), json.loads(given["MT_TAGS"])


def test_unless_a_server_is_named_nobody_is_told() -> None:
    assert not {"MT_TRACKING", "MT_TAGS"} & set(env(after(observed_run())))
    assert "tracking" not in after(observed_run()).status["inputs"]


def test_a_run_is_told_with_all_that_says_where_it_comes_from() -> None:
    observed = tracked(meta=run_meta(annotations={REVISION: "main@sha1:4be0643"}))
    server, tags = told(observed)
    assert server == SERVER | {"experiment": f"team-a/{RUN}"}
    assert tags == {
        "translation.run": RUN,
        "translation.runUid": RUN_UID,
        "translation.namespace": "team-a",
        "translation.cause": "Manual",
        "translation.recipeDigest": after(observed).status["recipe"]["digest"],
        "translation.image": "registry/trainer:1",
        COMMIT: "main@sha1:4be0643",
    }


def test_runs_of_a_model_share_an_experiment() -> None:
    model = model_view(spec_with(tracking={"mlflow": SERVER}))
    server, tags = told(tracked(dict(MODEL_REFERENCE), model=model))
    assert server["experiment"] == "team-a/pt-en"
    assert tags["translation.model"] == "pt-en"


def test_an_experiment_that_is_named_is_used() -> None:
    server, _ = told(tracked(spec_with(tracking={"mlflow": SERVER | {"experiment": "news"}})))
    assert server["experiment"] == "news"


@pytest.mark.parametrize(
    ("own", "models", "commit"),
    [
        pytest.param("abc", "def", "abc", id="the run's own"),
        pytest.param(None, "def", "def", id="its model's"),
        pytest.param(None, None, None, id="none"),
        pytest.param("a b\n", None, None, id="not one that Git could have"),
    ],
)
def test_the_revision_in_git_is(own: str | None, models: str | None, commit: str | None) -> None:
    model = model_view(spec_with(tracking={"mlflow": SERVER}))
    noted = replace(model.meta, annotations={REVISION: models} if models else {})
    meta = run_meta(annotations={REVISION: own} if own else {})
    _, tags = told(tracked(dict(MODEL_REFERENCE), model=replace(model, meta=noted), meta=meta))
    assert tags.get(COMMIT) == commit


def test_the_evaluation_is_told_of_in_the_same_place() -> None:
    begun = after(tracked())
    trained = job_view(Stage.TRAIN, JobState.COMPLETE, message=train_result())
    judging = after(replace(begun, jobs=jobs(trained)))
    given, before = env(judging), env(begun)
    assert (given["MT_TRACKING"], given["MT_TAGS"]) == (before["MT_TRACKING"], before["MT_TAGS"])


def test_a_change_of_it_changes_no_run_that_has_begun() -> None:
    model = model_view(spec_with(tracking={"mlflow": SERVER}))
    begun = after(tracked(dict(MODEL_REFERENCE), model=model))
    elsewhere = model_view(spec_with(tracking={"mlflow": {"trackingUri": "http://other"}}))
    assert decide_run(replace(begun, model=elsewhere)) == decide_run(begun)


def test_a_server_of_no_shape_is_refused_by_name() -> None:
    status = decide_run(tracked(spec_with(tracking={"mlflow": {}}))).status or {}
    (stalled,) = [c for c in status["conditions"] if c["type"] == "Stalled"]
    assert stalled["reason"] == "SpecIncomplete"
    assert "spec.tracking.mlflow.trackingUri" in stalled["message"]
