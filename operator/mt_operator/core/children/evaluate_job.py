"""The evaluate Job: in the predictor's image, with the engine that will serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract.defaults import TRAINING
from mt_contract.names import Stage
from mt_contract.resource import ArtifactRef, Gate, Placement
from mt_operator.core.children.pod import Task
from mt_operator.core.children.run_task import run_task, tracked
from mt_operator.core.children.sources import locations
from mt_operator.core.gate import rule_text
from mt_operator.core.observed import ObservedRun
from mt_operator.core.run.inputs import Baseline, Inputs, Work

RESOURCES: Mapping[str, Any] = {
    "requests": {"cpu": "250m", "memory": "1Gi"},
    "limits": {"memory": "4Gi"},
}
_ENGINE = ("engine", "precision", "beamSize")


def evaluate_task(observed: ObservedRun, work: Work, artifact: ArtifactRef) -> Task:
    """Return the evaluate Job of the run, for ``artifact``."""
    inputs, baseline = work.inputs, work.inputs.baseline
    env: dict[str, Any] = {
        "MT_ARTIFACT": {"uri": artifact.uri, "digest": artifact.digest},
        "MT_EVALUATION": _evaluation(work),
        "MT_ENGINE": {key: work.raw_inputs["engine"][key] for key in _ENGINE},
        "MT_LANGUAGES": f"{work.recipe['sourceLanguage']}-{work.recipe['targetLanguage']}",
    } | tracked(work)
    if baseline is not None:
        env["MT_BASELINE"] = _baseline(baseline)
    return run_task(
        observed,
        work,
        Stage.EVALUATE,
        observed.status["attempts"]["evaluate"],
        image=_image(inputs),
        args=("evaluate",),
        env=env,
        reads=(
            artifact.uri,
            *((baseline.uri,) if baseline else ()),
            *locations(inputs.test),
        ),
        # Test data may lie where training data does: with the same credentials.
        placement=Placement(
            resources=RESOURCES,
            env=inputs.placement.env,
            env_from=inputs.placement.env_from,
        ),
    )


def _image(inputs: Inputs) -> str:
    """Return the image that will serve, or that of a baseline whose engine is not in it."""
    ours, theirs = inputs.engine, inputs.baseline.engine if inputs.baseline else {}
    # An image with TensorFlow has CTranslate2 as well.
    theirs_has_more = theirs.get("engine") == "TensorFlow" != ours.engine
    return str(theirs["image"]) if theirs_has_more else ours.image


def _evaluation(work: Work) -> Mapping[str, Any]:
    """Return what is measured: each metric and slice that a gate names, once.

    Bounds go along as text, for whoever reads the report: the gates alone judge.
    """
    evaluation, data = work.inputs.evaluation, work.recipe["data"]
    pairs = dict.fromkeys((gate.metric, gate.slice) for gate in evaluation.gates)
    return {
        "test": work.inputs.test,
        "format": data["format"],
        "fields": data["fields"],
        "confidence": f"{evaluation.confidence:f}",
        "comparisons": [
            {"metric": metric} | ({"slice": slice} if slice else {}) for metric, slice in pairs
        ],
        "gates": [_shown(gate) for gate in evaluation.gates],
        "seed": work.recipe.get("training", TRAINING)["seed"],
    }


def _shown(gate: Gate) -> Mapping[str, str]:
    place = {"slice": gate.slice} if gate.slice else {}
    return {"name": gate.name, "metric": gate.metric, **place, "rule": rule_text(gate)}


def _baseline(baseline: Baseline) -> Mapping[str, Any]:
    engine = {key: baseline.engine[key] for key in _ENGINE}
    return {
        "run": baseline.run,
        "uri": baseline.uri,
        "digest": baseline.digest,
        "engine": engine,
    }
