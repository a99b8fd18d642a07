"""Resolving a run: complete, allowed and stored, or refused with the field's name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.operator.builders import (
    DIGEST,
    MODEL_REFERENCE,
    MODEL_UID,
    NOW,
    RUN,
    RUN_UID,
    SETTINGS,
    SPEC,
    model_view,
    observed_run,
    run_meta,
    spec_with,
)

from mt_contract import recipe
from mt_contract.codec import format_time
from mt_contract.defaults import Images, drop, merge
from mt_contract.resource import Condition
from mt_operator.core.children.training_run import reusing_run, training_run
from mt_operator.core.conditions import get_condition, read_conditions
from mt_operator.core.observed import ObservedRun
from mt_operator.core.plan import Plan
from mt_operator.core.run.decide import decide_run

IMPORT = {"import": {"uri": "pvc://models/old/model"}}
DIGEST_ANNOTATION = "translation.kubeflow.org/artifact-digest"
OWN = run_meta(
    owner=MODEL_UID,
    annotations={
        "translation.kubeflow.org/cause": "Serving",
        DIGEST_ANNOTATION: DIGEST,
    },
)


def without(*path: str) -> dict[str, Any]:
    """SPEC without one key."""
    head, *rest = path
    if not rest:
        return drop(SPEC, frozenset({head}))
    return {**SPEC, head: drop(SPEC[head], frozenset(rest))}


def status_of(observed: ObservedRun) -> dict[str, Any]:
    plan = decide_run(observed)
    assert plan.apply == ()  # no Job before the inputs are stored
    assert plan.status is not None
    return dict(plan.status)


def condition(status: Any, type: str) -> Condition:
    found = get_condition(read_conditions(status), type)
    assert found is not None
    return found


def test_a_complete_run_begins_with_everything_stored() -> None:
    status = status_of(observed_run())
    assert status["startTime"] == format_time(NOW)
    assert status["attempts"] == {"train": 1, "evaluate": 0}
    assert status["cause"] == "Manual"
    assert status["progress"] == {"stage": "Training"}
    stored = drop(status["recipe"], frozenset({"digest"}))
    assert stored == recipe.resolved(SPEC, SETTINGS.images)
    assert status["recipe"]["digest"] == recipe.recipe_digest(stored)
    inputs = status["inputs"]
    assert inputs["written"] == recipe.written(SPEC)
    assert inputs["folder"] == f"pvc://models/pt-en/{RUN}-{RUN_UID[:8]}"
    assert inputs["test"] == SPEC["data"]["test"]
    assert inputs["engine"]["image"] == "registry/predictor:1"
    assert inputs["serviceAccountName"] == "default"
    assert condition(status, "Reconciling").reason == "Training"


def test_an_engine_has_the_image_that_the_platform_names_for_it() -> None:
    images = Images("registry/trainer:1", "registry/predictor:1", "registry/with-tensorflow:1")
    observed = observed_run(spec_with(serving={"engine": "TensorFlow"}))
    settings = replace(SETTINGS, images=images)
    engine = status_of(replace(observed, settings=settings))["inputs"]["engine"]
    assert engine == {
        "engine": "TensorFlow",
        "precision": "Float32",
        "beamSize": 4,
        "image": "registry/with-tensorflow:1",
    }


def test_what_a_run_leaves_out_is_taken_from_its_model() -> None:
    model = model_view(
        spec_with(
            training={"seed": 1, "preset": "Base"},
            serving={"beamSize": 2, "replicas": {"max": 9}},
            rollout={"approval": "Required"},  # is none of the run's business
        )
    )
    spec = {**MODEL_REFERENCE, "training": {"seed": 7}}
    status = status_of(observed_run(spec, model=model))
    assert status["recipe"]["training"]["seed"] == 7
    assert status["recipe"]["training"]["preset"] == "Base"
    assert status["inputs"]["engine"]["beamSize"] == 2
    assert "replicas" not in status["inputs"]["engine"]


def test_a_run_of_the_operator_takes_nothing_that_the_model_got_later() -> None:
    model = model_view(spec_with(training={"seed": 9, "budget": {"maxSteps": 5}}))
    spec = {**MODEL_REFERENCE, **spec_with(training={"seed": 7})}
    status = status_of(observed_run(spec, model=model, meta=replace(OWN, annotations={})))
    assert status["recipe"]["training"]["budget"]["maxSteps"] == 100_000


def test_an_artifact_that_is_reused_goes_straight_to_its_evaluation() -> None:
    spec = {**MODEL_REFERENCE, **SPEC, **IMPORT}
    status = status_of(observed_run(spec, model=model_view(), meta=OWN))
    assert status["attempts"] == {"train": 0, "evaluate": 1}
    assert status["artifact"] == {"uri": "pvc://models/old/model", "digest": DIGEST}
    assert status["cause"] == "Serving"
    assert "training" not in status["recipe"]  # it did not run with any
    assert condition(status, "Trained").reason == "Reused"
    assert status["progress"]["stage"] == "Evaluating"


def test_the_runs_that_a_model_makes_can_be_begun() -> None:
    model = model_view(spec_with(training={"seed": 7}, serving={"beamSize": 2}))
    artifact = {"uri": "pvc://models/old/model", "digest": DIGEST}
    for child in (
        training_run(model.meta, model.spec, RUN, "Spec"),
        reusing_run(model.meta, model.spec, RUN, "Evaluation", "old", artifact),
    ):
        metadata = child.manifest["metadata"]
        owner = metadata["ownerReferences"][0]["uid"]
        meta = run_meta(owner=owner, annotations=metadata["annotations"])
        observed = observed_run(child.manifest["spec"], model=model, meta=meta)
        status = status_of(observed)
        assert get_condition(read_conditions(status), "Stalled") is None
        assert status["inputs"]["engine"]["beamSize"] == 2
        assert status["cause"] in ("Spec", "Evaluation")


def test_a_cause_that_a_user_claims_counts_for_nothing() -> None:
    meta = run_meta(annotations={"translation.kubeflow.org/cause": "Drift"})
    assert status_of(observed_run(meta=meta))["cause"] == "Manual"


REFUSED = [
    pytest.param(
        observed_run(MODEL_REFERENCE),
        "ModelNotFound",
        "there is no TranslationModel pt-en",
        id="a model that does not exist",
    ),
    pytest.param(
        observed_run(without("sourceLanguage")),
        "SpecIncomplete",
        "spec.sourceLanguage: is required; set it here, or name a model",
        id="no language, no model",
    ),
    pytest.param(
        observed_run(without("storage")), "SpecIncomplete", "spec.storage: is req", id="no storage"
    ),
    pytest.param(
        observed_run(without("data", "train")),
        "SpecIncomplete",
        "spec.data.train: is required",
        id="nothing to train on",
    ),
    pytest.param(
        observed_run(without("data", "test")),
        "SpecIncomplete",
        "spec.data.test",
        id="nothing to judge by",
    ),
    pytest.param(
        observed_run(without("evaluation", "gates")),
        "SpecIncomplete",
        "spec.evaluation.gates: is required",
        id="no gates",
    ),
    pytest.param(
        observed_run(spec_with(training={"backoffLimit": "often"})),
        "SpecInvalid",
        "spec.training.backoffLimit: expected int, found 'often'",
        id="a placement of the wrong shape is named as it is written",
    ),
    pytest.param(
        observed_run(spec_with(serving={"beamSize": "wide"})),
        "SpecInvalid",
        "spec.serving.beamSize",
        id="an engine of the wrong shape is named as it is written",
    ),
    pytest.param(
        observed_run(spec_with(training={"preset": "Huge"})),
        "SpecInvalid",
        "spec.training.preset: 'Huge' is none of Tutorial, Base, Big",
        id="an unknown preset",
    ),
    pytest.param(
        observed_run(spec_with(data={"test": [{"uri": "pvc://corpora/../x"}]})),
        "SpecInvalid",
        "spec.data.test[0].uri",
        id="a path that climbs out of its claim",
    ),
    pytest.param(
        observed_run(spec_with(storage={"uri": "pvc:///runs"})),
        "SpecInvalid",
        "spec.storage.uri: 'pvc:///runs' is not a location",
        id="a location without a claim",
    ),
    pytest.param(
        observed_run(
            spec_with(
                evaluation={
                    "gates": [{"name": "g", "metric": "BLEU", "min": "1", "slice": "legal"}]
                }
            )
        ),
        "SpecInvalid",
        "gate g names slice legal, which no entry of spec.data.test has",
        id="a gate on a slice that there is not",
    ),
    pytest.param(
        observed_run(spec_with(training={"image": "evil/miner:1"})),
        "ImageNotAllowed",
        "spec.training.image: evil/miner:1",
        id="a trainer that the platform does not allow",
    ),
    pytest.param(
        observed_run(spec_with(serving={"image": "evil/miner:1"})),
        "ImageNotAllowed",
        "spec.serving.image: evil/miner:1",
        id="a predictor that the platform does not allow",
    ),
    pytest.param(
        observed_run(spec_with(tracking={"modelRegistry": {"url": "http://hub"}})),
        "NotSupportedYet",
        "spec.tracking.modelRegistry",
        id="a field that is not acted on",
    ),
    pytest.param(
        observed_run(spec_with(serving={"engine": "TensorFlow"})),
        "ImageNotAllowed",
        "ask whoever runs it for images.predictorTensorflow",
        id="an engine that the platform has no image with",
    ),
    pytest.param(
        observed_run(spec_with(serving={"engine": "TensorFlow", "precision": "Int8"})),
        "SpecInvalid",
        "spec.serving.precision: the TensorFlow engine computes in Float32 alone",
        id="a precision that the engine lacks",
    ),
    pytest.param(
        observed_run({**without("evaluation", "gates"), **IMPORT}),
        "SpecIncomplete",
        "spec.evaluation.gates: is required",
        id="an import without gates",
    ),
    pytest.param(
        observed_run(spec_with(data={"train": [{"uri": "file:///etc/passwd"}]})),
        "SpecInvalid",
        "spec.data.train[0].uri: 'file:///etc/passwd' begins with none of pvc, s3",
        id="a place that Jobs must not read",
    ),
    pytest.param(
        observed_run(spec_with(data={"test": [{"uri": "pvc://c/a", "targetUri": "pvc://c/../b"}]})),
        "SpecInvalid",
        "spec.data.test[0].targetUri",
        id="the other side's path climbs out of its claim",
    ),
    pytest.param(
        observed_run(
            {**MODEL_REFERENCE, **SPEC, **IMPORT},
            model=model_view(),
            meta=replace(OWN, annotations={DIGEST_ANNOTATION: "sha256:short"}),
        ),
        "SpecInvalid",
        "must hold the artifact's digest",
        id="an artifact that is reused without the digest that was blessed",
    ),
]


@pytest.mark.parametrize(("observed", "reason", "words"), REFUSED)
def test_what_cannot_be_begun_is_stalled_and_says_which_field(
    observed: ObservedRun, reason: str, words: str
) -> None:
    status = status_of(observed)
    stalled = condition(status, "Stalled")
    assert (stalled.status, stalled.reason) == ("True", reason)
    assert words in stalled.message
    assert "recipe" not in status
    assert get_condition(read_conditions(status), "Reconciling") is None
    plan = decide_run(replace(observed, status=status))
    assert (plan.status, plan.apply, plan.events) == (None, (), ())  # said once


def test_an_image_that_the_platform_allows_is_used() -> None:
    settings = replace(SETTINGS, allowed_images=("ghcr.io/team/*",))
    spec = spec_with(training={"image": "ghcr.io/team/trainer:7"})
    status = status_of(observed_run(spec, settings=settings))
    assert status["recipe"]["training"]["image"] == "ghcr.io/team/trainer:7"


def test_a_stalled_run_begins_when_its_model_is_there() -> None:
    alone = observed_run(MODEL_REFERENCE)
    stalled = status_of(alone)
    status = status_of(replace(alone, status=stalled, model=model_view()))
    assert get_condition(read_conditions(status), "Stalled") is None
    assert status["attempts"]["train"] == 1


@pytest.mark.parametrize(
    "observed",
    [
        pytest.param(observed_run(spec_with(suspend=True)), id="the run is suspended"),
        pytest.param(
            observed_run(MODEL_REFERENCE, model=model_view(spec_with(suspend=True))),
            id="its model is suspended",
        ),
    ],
)
def test_nothing_is_resolved_while_suspended(observed: ObservedRun) -> None:
    status = status_of(observed)
    assert "recipe" not in status
    assert condition(status, "Reconciling").reason == "Suspended"


def test_another_release_resolves_nothing_again() -> None:
    before = observed_run(status=status_of(observed_run()))
    after = replace(before, settings=replace(SETTINGS, images=Images("trainer:2", "predictor:2")))
    assert decide_run(after) == decide_run(before)


def test_a_run_that_is_being_deleted_is_left_alone() -> None:
    assert decide_run(observed_run(meta=run_meta(deleting=True))) == Plan()


def test_a_model_that_changes_later_changes_nothing() -> None:
    spec = dict(MODEL_REFERENCE)
    before = observed_run(spec, model=model_view())
    stored = status_of(before)
    changed = model_view(merge(SPEC, {"training": {"seed": 99}}))
    now = replace(before, status=stored, model=changed)
    assert decide_run(now) == decide_run(replace(before, status=stored))
