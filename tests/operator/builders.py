"""Builders of what a decision about a run observes; each takes only what its test is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mt_contract.defaults import Images, merge
from mt_contract.names import Stage, job_name
from mt_contract.report import Comparison, EvaluationResult, TrainResult
from mt_operator.core.observed import JobState, JobView, Meta, ModelView, ObservedRun
from mt_operator.settings import Settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN, RUN_UID = "pt-en-7h2xk", "0f8f9a5c-6b1e-4e0e-9d3a-1c2d3e4f5a6b"
MODEL, MODEL_UID = "pt-en", "5b1d3c9e-2f4a-4d6b-8c7e-9a0b1c2d3e4f"
NAMESPACE = "team-a"
DIGEST = "sha256:" + "ab" * 32
SETTINGS = Settings(Images("registry/trainer:1", "registry/predictor:1"))

# The smallest spec that is complete in itself.
SPEC: Mapping[str, Any] = {
    "sourceLanguage": "pt",
    "targetLanguage": "en",
    "storage": {"uri": "pvc://models/pt-en"},
    "data": {
        "train": [{"uri": "pvc://corpora/train.tsv"}],
        "test": [{"uri": "pvc://corpora/test.tsv"}],
    },
    "training": {},
    "evaluation": {"gates": [{"name": "quality", "metric": "chrF", "min": "40"}]},
}
MODEL_REFERENCE: Mapping[str, Any] = {"modelRef": {"name": MODEL}}


def run_meta(**changes: Any) -> Meta:
    """Return the metadata of the run that all tests are about."""
    return replace(Meta(RUN, NAMESPACE, RUN_UID), **changes)


def model_view(
    spec: Mapping[str, Any] | None = None, status: Mapping[str, Any] | None = None
) -> ModelView:
    """Return the run's model; it asks for SPEC unless told otherwise."""
    return ModelView(Meta(MODEL, NAMESPACE, MODEL_UID), spec or SPEC, status or {})


def observed_run(spec: Mapping[str, Any] | None = None, **changes: Any) -> ObservedRun:
    """Return a run that was just made, with ``changes`` of its fields."""
    run = ObservedRun(
        now=NOW,
        meta=run_meta(),
        spec=SPEC if spec is None else spec,
        status={},
        settings=SETTINGS,
        claims={"models": True, "corpora": True},
    )
    return replace(run, **changes)


def spec_with(**changes: Any) -> dict[str, Any]:
    """Return SPEC with ``changes`` laid upon it."""
    return merge(SPEC, changes)


def job_view(stage: Stage, state: JobState, attempt: int = 1, **changes: Any) -> JobView:
    """Return the run's own Job of ``stage``."""
    name = job_name(RUN, RUN_UID, stage, attempt)
    meta = Meta(name, NAMESPACE, f"uid-of-{name}", owner=RUN_UID)
    return replace(JobView(meta, state), **changes)


def jobs(*views: JobView) -> dict[str, JobView]:
    """Return ``views`` by name, as a snapshot holds them."""
    return {view.meta.name: view for view in views}


def train_result(**changes: Any) -> TrainResult:
    """Return the message of a training that ended well."""
    result = TrainResult(
        artifact={"uri": "ignored", "digest": DIGEST, "sizeBytes": 9_123_456},
        dataset={"digest": DIGEST, "pairs": 5600, "rejectedPairs": 12, "anomalies": []},
        metrics={"loss": "2.31", "validationLoss": "2.44"},
        usage={"cpuSeconds": 2100, "gpuSeconds": 0},
    )
    return replace(result, **changes)


def comparison(metric: str = "chrF", **changes: Any) -> Comparison:
    """Return one measured metric, without a baseline."""
    return replace(Comparison(metric, None, examples=500, value="48.2"), **changes)


def evaluation_result(*comparisons: Comparison, **changes: Any) -> EvaluationResult:
    """Return the message of an evaluation that ended well."""
    result = EvaluationResult(
        scores={"chrF": "48.2", "BLEU": "27.9"},
        comparisons=comparisons or (comparison(),),
        signatures={"chrF": "nrefs:1"},
        examples=500,
        report="pvc://models/pt-en/evaluation/report.json",
    )
    return replace(result, **changes)
