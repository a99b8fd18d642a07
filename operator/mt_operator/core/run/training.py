"""Training: one Job, whose result is a published artifact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mt_contract.names import MODEL_FOLDER
from mt_contract.report import TrainResult
from mt_operator.core.children.train_job import train_task
from mt_operator.core.observed import ObservedRun
from mt_operator.core.reasons import Reason
from mt_operator.core.run.evaluating import begin_evaluation
from mt_operator.core.run.failure import Broken
from mt_operator.core.run.inputs import Work, work_of
from mt_operator.core.run.lost import result_of
from mt_operator.core.run.progress import with_metrics
from mt_operator.core.run.stage import RunStage, stage_of
from mt_operator.core.run.step import Step, conditions_of, failed, mark

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MAX_ANOMALIES = 64


def train(observed: ObservedRun) -> Step | None:
    """Make sure that there is a train Job, and take over its result."""
    if stage_of(observed.status) is not RunStage.TRAINING:
        return None
    work = work_of(observed.status)
    outcome = result_of(observed, work, train_task(observed, work), TrainResult, Reason.TRAINING)
    if not isinstance(outcome, TrainResult):
        return unpublished(observed, outcome)
    if (artifact := published(work, outcome)) is None:
        return unpublished(observed, outcome)
    return _trained(observed, work, outcome, artifact)


def published(work: Work, result: TrainResult) -> dict[str, Any] | None:
    """Return ``status.artifact``, or None if the result names no digest.

    Where it is, is known; a pod that said otherwise would be wrong.
    """
    known = _known(result.artifact, {"digest": str, "sizeBytes": int})
    if not DIGEST.fullmatch(str(known.get("digest"))):
        return None
    return {"uri": f"{work.inputs.folder}/{MODEL_FOLDER}"} | known


def unpublished(observed: ObservedRun, outcome: TrainResult | Broken | Step) -> Step:
    """Return the step that ``outcome`` is, or the end of a run that has no artifact."""
    if isinstance(outcome, Step):
        return outcome
    if isinstance(outcome, Broken):
        return failed(observed, "Trained", outcome.reason, outcome.message)
    text = "The trainer named no digest of its artifact: is its image one of this release?"
    return failed(observed, "Trained", Reason.ARTIFACT_INVALID, text)


def _trained(
    observed: ObservedRun, work: Work, result: TrainResult, artifact: Mapping[str, Any]
) -> Step:
    dataset = _dataset(result.dataset)
    counts = f"{dataset.get('pairs', '?')} pairs, {dataset.get('rejectedPairs', 0)} rejected"
    odd = f"; odd: {'; '.join(dataset['anomalies'])}" if dataset.get("anomalies") else ""
    conditions = conditions_of(observed)
    conditions = mark(
        observed, conditions, "DataValid", True, Reason.DATA_ACCEPTED, f"{counts}{odd}."
    )
    conditions = mark(
        observed, conditions, "Trained", True, Reason.TRAINED, "An artifact was published."
    )
    stored = observed.status.get("progress") or {}
    progress = with_metrics(stored, result.metrics) | {"progressPercentage": 100}
    progress.pop("estimatedRemainingSeconds", None)
    fields = {
        "artifact": artifact,
        "dataset": dataset,
        "usage": {key: value for key, value in result.usage.items() if value >= 0},
        "progress": progress,
    }
    return begin_evaluation(observed, work.raw_inputs, conditions, fields)


def _dataset(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the API has room for: the trainer may be the user's own."""
    dataset = _known(told, {"digest": str, "pairs": int, "rejectedPairs": int})
    anomalies = told.get("anomalies")
    lines = [str(line)[:1024] for line in anomalies] if isinstance(anomalies, list) else []
    return dataset | {"anomalies": lines[:MAX_ANOMALIES]}


def _known(told: Mapping[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    # type(), not isinstance(): a bool is no number here.
    fitting = {key: told[key] for key, kind in kinds.items() if type(told.get(key)) is kind}
    return {key: value for key, value in fitting.items() if _small(value)}


def _small(value: Any) -> bool:
    return len(value) <= 71 if isinstance(value, str) else bool(value >= 0)
