"""Evaluating: one Job, whose scores the gates judge; or none, where they were measured before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract.codec import to_json
from mt_contract.report import EvaluationResult
from mt_contract.resource import Evaluation
from mt_operator.core.children.evaluate_job import evaluate_task
from mt_operator.core.conditions import Conditions
from mt_operator.core.gate import GateVerdict, Verdict, judge, measured_rows, overall, refusal
from mt_operator.core.observed import ObservedRun
from mt_operator.core.reasons import Reason
from mt_operator.core.run.baseline import baseline_of
from mt_operator.core.run.failure import Broken
from mt_operator.core.run.inputs import Baseline, artifact_of, work_of
from mt_operator.core.run.lost import result_of
from mt_operator.core.run.measured import Asked, Measurement, measured_before
from mt_operator.core.run.stage import RunStage, stage_of
from mt_operator.core.run.step import SOON, Step, conditions_of, failed, going, mark, succeeded


def begin_evaluation(
    observed: ObservedRun,
    inputs: Mapping[str, Any],
    conditions: Conditions,
    fields: Mapping[str, Any],
) -> Step:
    """Return the step into Evaluating: the baseline is chosen now, and stored with the rest.

    Args:
        observed: the run.
        inputs: ``status.inputs`` as they stand, without a baseline.
        conditions: the run's, as they will be.
        fields: of the status, the artifact among them.
    """
    baseline = baseline_of(observed, inputs["evaluation"]["baseline"])
    attempts = dict(fields.get("attempts") or observed.status.get("attempts") or {})
    changed = dict(fields) | {
        "inputs": dict(inputs) | ({"baseline": to_json(baseline)} if baseline else {}),
        "attempts": attempts | {"evaluate": 1},
    }
    against = f"run {baseline.run}" if baseline else "no baseline: bounds of differences wait"
    return going(
        observed,
        Reason.EVALUATING,
        f"The artifact is evaluated against {against}.",
        conditions=conditions,
        fields=changed,
        requeue_after=SOON,
    )


def begin_judgement(
    observed: ObservedRun,
    inputs: Mapping[str, Any],
    evaluation: Evaluation,
    conditions: Conditions,
    fields: Mapping[str, Any],
) -> Step:
    """Return the step that judges an artifact that is reused: at once, if all was measured before.

    Args:
        observed: the run.
        inputs: ``status.inputs`` as they stand, without a baseline.
        evaluation: the same as in ``inputs``, decoded.
        conditions: the run's, as they will be.
        fields: of the status, artifact and recipe among them.
    """
    baseline = baseline_of(observed, evaluation.baseline)
    asked = Asked(fields["artifact"], fields["recipe"], inputs, evaluation, baseline)
    others = [run for run in observed.runs if run.meta.uid != observed.meta.uid]
    before = measured_before(asked, others)
    if before is None:
        return begin_evaluation(observed, inputs, conditions, fields)
    return _judged_at_once(observed, asked, before, conditions, fields)


def evaluate(observed: ObservedRun) -> Step | None:
    """Make sure that there is an evaluate Job, and judge its scores."""
    if stage_of(observed.status) is not RunStage.EVALUATING:
        return None
    work, artifact = work_of(observed.status), artifact_of(observed.status)
    task = evaluate_task(observed, work, artifact)
    outcome = result_of(observed, work, task, EvaluationResult, Reason.EVALUATING)
    if isinstance(outcome, Step):
        return outcome
    if isinstance(outcome, Broken):
        return failed(observed, "Evaluated", outcome.reason, outcome.message)
    told = f"{outcome.examples} test sentences were translated and scored."
    conditions = mark(observed, conditions_of(observed), "Evaluated", True, Reason.EVALUATED, told)
    asked, baseline = work.inputs.evaluation, work.inputs.baseline
    return _judged(observed, asked, outcome, baseline, conditions, {})


def _judged_at_once(
    observed: ObservedRun,
    asked: Asked,
    before: Measurement,
    conditions: Conditions,
    fields: Mapping[str, Any],
) -> Step:
    """Return the end of a run whose gates needed nothing that was not measured."""
    baseline = {"baseline": to_json(before.baseline)} if before.baseline else {}
    # The probe replays translations: they lie where they were made.
    inputs = {**asked.inputs, **baseline, "folder": before.folder}
    told = f"Only bounds changed: what {before.run} measured is judged anew, without a Job."
    conditions = mark(observed, conditions, "Evaluated", True, Reason.EVALUATED, told)
    known = dict(fields) | {"inputs": inputs}
    return _judged(observed, asked.evaluation, before.result, before.baseline, conditions, known)


def _judged(
    observed: ObservedRun,
    asked: Evaluation,
    result: EvaluationResult,
    baseline: Baseline | None,
    conditions: Conditions,
    fields: Mapping[str, Any],
) -> Step:
    gates = judge(asked.gates, result, baseline is not None)
    blessed, reason, message = _blessing(observed, gates, baseline is not None)
    conditions = mark(observed, conditions, "Blessed", blessed, reason, message)
    evaluation = {
        "scores": dict(result.scores),
        "examples": result.examples,
        "baseline": {"run": baseline.run, "scores": _scores(result.baseline)} if baseline else None,
        "signatures": dict(result.signatures),
        "comparisons": [to_json(row) for row in measured_rows(asked.gates, result.comparisons)],
        "gates": [to_json(gate) for gate in gates],
        "verdict": overall(gates).value,
        "report": result.report[:1024],
    }
    told = dict(fields) | {"evaluation": to_json(_present(evaluation))}
    return succeeded(observed, conditions, told)


def _blessing(
    observed: ObservedRun, gates: tuple[GateVerdict, ...], has_baseline: bool
) -> tuple[bool, Reason, str]:
    verdict = overall(gates)
    if verdict is not Verdict.PASSED:
        reason = Reason.GATE_FAILED if verdict is Verdict.FAILED else Reason.GATE_INCONCLUSIVE
        return False, reason, refusal(gates, observed.meta.name)
    skipped = not has_baseline and any("Delta" in gate.rule for gate in gates)
    note = " There was no baseline: bounds of differences did not apply." if skipped else ""
    return True, Reason.BLESSED, f"All gates passed ({len(gates)}).{note}"


def _scores(told: Mapping[str, Any] | None) -> dict[str, str]:
    scores = (told or {}).get("scores")
    found = scores.items() if isinstance(scores, Mapping) else ()
    return {str(metric): value for metric, value in found if isinstance(value, str)}


def _present(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if value is not None}
