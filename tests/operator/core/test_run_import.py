"""A model made elsewhere: imported by a Job of its own, then judged like any other."""

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
    SETTINGS,
    SPEC,
    job_view,
    jobs,
    model_view,
    observed_run,
    spec_with,
    train_result,
)
from tests.operator.run_builders import condition, named, said

from mt_contract.defaults import Images, drop
from mt_contract.names import Stage
from mt_contract.recipe import recipe_digest
from mt_contract.report import Failure
from mt_operator.core.observed import JobState, JobView, ObservedRun
from mt_operator.core.plan import Child
from mt_operator.core.run.decide import decide_run

SOURCE = {"uri": "pvc://elsewhere/opus", "digest": DIGEST}
ALONE: dict[str, Any] = {
    **drop(SPEC, frozenset({"training"})),
    "data": {"test": SPEC["data"]["test"]},
    "import": SOURCE,
}
OF_A_MODEL: dict[str, Any] = {**MODEL_REFERENCE, "candidate": True, "import": SOURCE}
FOLDER = f"pvc://models/pt-en/{RUN}-{RUN_UID[:8]}"
SECRET = [{"secretRef": {"name": "s3"}}]


def begun(spec: dict[str, Any] = ALONE, **changes: Any) -> ObservedRun:
    fresh = observed_run(spec, **changes)
    return replace(fresh, status=decide_run(fresh).status or {})


def at(state: JobState, **changes: Any) -> ObservedRun:
    return replace(begun(), jobs=jobs(job_view(Stage.IMPORT, state, **changes)))


def only(observed: ObservedRun) -> Child:
    (child,) = decide_run(observed).apply
    return child


def pod(observed: ObservedRun) -> dict[str, Any]:
    return dict(only(observed).manifest["spec"]["template"]["spec"])


def env(observed: ObservedRun) -> dict[str, str]:
    (container,) = pod(observed)["containers"]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_it_needs_nothing_to_train_on() -> None:
    status = begun().status
    assert status["progress"]["stage"] == "Importing"
    assert status["attempts"] == {"import": 1, "evaluate": 0}
    assert status["recipe"] == {
        "digest": recipe_digest(drop(status["recipe"], frozenset({"digest"}))),
        "sourceLanguage": "pt",
        "targetLanguage": "en",
        "import": SOURCE,
        "data": {"format": "Auto", "fields": {"source": "source", "target": "target"}},
    }
    assert "dataset" not in status


def test_what_it_leaves_out_is_taken_from_its_model() -> None:
    status = begun(OF_A_MODEL, model=model_view()).status
    assert (status["recipe"]["sourceLanguage"], status["recipe"]["targetLanguage"]) == ("pt", "en")
    assert status["inputs"]["evaluation"]["gates"] == SPEC["evaluation"]["gates"]
    assert status["cause"] == "Manual"


def test_the_import_job_is_given_the_model_and_its_languages() -> None:
    observed = begun()
    assert only(observed).key == named(Stage.IMPORT)
    given = env(observed)
    assert json.loads(given["MT_IMPORT"]) == SOURCE
    assert given["MT_LANGUAGES"] == "pt-en"
    assert (given["MT_RUN"], given["MT_OUTPUT"]) == (RUN, FOLDER)
    (container,) = pod(observed)["containers"]
    assert (container["image"], container["args"]) == ("registry/trainer:1", ["import"])
    mounts = {m["mountPath"]: m.get("readOnly", False) for m in container["volumeMounts"]}
    assert mounts == {"/tmp": False, "/mnt/pvc/models": False, "/mnt/pvc/elsewhere": True}


def test_it_asks_for_no_gpu_but_has_the_credentials_of_its_model() -> None:
    training: Any = {
        "resources": {"limits": {"nvidia.com/gpu": 8}},
        "nodeSelector": {"gpu": "a"},
        "nodes": 4,
        "envFrom": SECRET,
    }
    model = model_view(spec_with(training=training))
    spec = pod(begun(OF_A_MODEL, model=model))
    (container,) = spec["containers"]
    assert container["envFrom"] == SECRET
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    assert not {"nodeSelector", "subdomain"} & set(spec)


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("s3://models/opus", id="a bucket of S3"),
        pytest.param("gs://models/opus", id="a bucket of Google"),
        pytest.param("hf://team/opus@v1", id="the Hub"),
        pytest.param("https://host/opus.tar.gz?Signature=a%2Fb", id="an archive on the web"),
    ],
)
def test_from_elsewhere_it_is_fetched_with_the_credentials_of_its_model(uri: str) -> None:
    model = model_view(spec_with(training={"envFrom": SECRET}, serviceAccountName="reader"))
    beginning = observed_run({**OF_A_MODEL, "import": {"uri": uri}}, model=model)
    assert f"{uri.partition('?')[0]} is imported" in said(beginning, "Reconciling")
    observed = begun({**OF_A_MODEL, "import": {"uri": uri}}, model=model)
    spec = pod(observed)
    (container,) = spec["containers"]
    assert json.loads(env(observed)["MT_IMPORT"]) == {"uri": uri}
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == [
        "/tmp",
        "/mnt/pvc/models",
    ]
    assert container["envFrom"] == SECRET
    assert spec["serviceAccountName"] == "reader"


@pytest.mark.parametrize("kind", ["datasets", "spaces"])
def test_what_is_no_model_of_the_hub_is_refused_before_a_job_is_made(kind: str) -> None:
    refused = observed_run({**ALONE, "import": {"uri": f"hf://{kind}/team/corpus"}})
    assert "is no model's: a model of the Hub is hf://" in said(refused, "Stalled")
    assert decide_run(refused).apply == ()


def test_another_release_imports_with_the_image_that_was_stored() -> None:
    newer = replace(SETTINGS, images=Images("trainer:2", "predictor:2"))
    assert only(replace(begun(), settings=newer)) == only(begun())


def test_a_missing_claim_is_waited_for() -> None:
    waiting = replace(begun(), claims={"models": True, "corpora": True, "elsewhere": False})
    assert decide_run(waiting).apply == ()
    assert "PersistentVolumeClaim elsewhere does not exist" in said(waiting, "Reconciling")


def test_its_artifact_is_evaluated_and_nothing_is_said_of_data() -> None:
    result = train_result(dataset={}, metrics={})
    observed = at(JobState.COMPLETE, message=result)
    status = decide_run(observed).status or {}
    digest = {"digest": DIGEST, "sizeBytes": 9_123_456}
    assert status["artifact"] == {"uri": f"{FOLDER}/model"} | digest
    assert status["attempts"] == {"import": 1, "evaluate": 1}
    assert status["progress"]["stage"] == "Evaluating"
    assert said(observed, "Trained").startswith("True Imported: A model made elsewhere")
    assert condition(observed, "DataValid") is None
    assert not {"dataset", "usage"} & set(status)


def test_it_is_evaluated_in_the_languages_it_was_imported_for() -> None:
    imported = at(JobState.COMPLETE, message=train_result(dataset={}))
    after = replace(imported, status=decide_run(imported).status or {})
    assert only(after).key == named(Stage.EVALUATE)
    assert env(after)["MT_LANGUAGES"] == "pt-en"
    assert json.loads(env(after)["MT_EVALUATION"])["format"] == "Auto"


FAILURES = [
    pytest.param(
        job_view(
            Stage.IMPORT, JobState.FAILED, message=Failure("ArtifactInvalid", "no config.json")
        ),
        "ArtifactInvalid: no config.json",
        id="it is no model",
    ),
    pytest.param(
        job_view(Stage.IMPORT, JobState.ACTIVE, oom_killed=True),
        "OutOfMemory: The import container was killed",
        id="it is too large",
    ),
    pytest.param(
        job_view(Stage.IMPORT, JobState.COMPLETE, message=train_result(artifact={})),
        "ArtifactInvalid: The trainer named no digest",
        id="no digest was named",
    ),
]


@pytest.mark.parametrize(("view", "words"), FAILURES)
def test_what_cannot_be_imported_ends_the_run(view: JobView, words: str) -> None:
    observed = replace(begun(), jobs=jobs(view))
    assert said(observed, "Failed").startswith(f"True {words}")
    assert said(observed, "Trained").startswith("False ")
    assert condition(observed, "Blessed") is None


def test_while_it_is_imported_the_run_says_so() -> None:
    observed = at(JobState.ACTIVE, running=True)
    assert said(observed, "Reconciling").startswith("True Importing: Job pt-en-7h2xk-import-")
