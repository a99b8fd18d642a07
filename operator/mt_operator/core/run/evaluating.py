"""Evaluating: one Job, whose scores the gates judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract.codec import DecodeError, from_json, to_json
from mt_contract.report import EvaluationResult
from mt_operator.core.children.evaluate_job import evaluate_task
from mt_operator.core.conditions import Conditions
from mt_operator.core.gate import GateVerdict, Verdict, judge, objections, overall
from mt_operator.core.observed import ObservedRun
from mt_operator.core.plan import ImpossibleError
from mt_operator.core.reasons import Reason
from mt_operator.core.run.failure import Broken
from mt_operator.core.run.inputs import Baseline, Work, artifact_of, work_of
from mt_operator.core.run.lost import result_of
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
    baseline = _baseline(observed, inputs["evaluation"]["baseline"])
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
    return _judged(observed, work, outcome)


def _judged(observed: ObservedRun, work: Work, result: EvaluationResult) -> Step:
    baseline = work.inputs.baseline
    gates = judge(work.inputs.evaluation.gates, result, baseline is not None)
    conditions = mark(
        observed,
        conditions_of(observed),
        "Evaluated",
        True,
        Reason.EVALUATED,
        f"{result.examples} test sentences were translated and scored.",
    )
    blessed, reason, message = _blessing(gates, baseline is not None)
    conditions = mark(observed, conditions, "Blessed", blessed, reason, message)
    evaluation = {
        "scores": dict(result.scores),
        "baseline": {"run": baseline.run, "scores": _scores(result.baseline)} if baseline else None,
        "signatures": dict(result.signatures),
        "gates": [to_json(gate) for gate in gates],
        "verdict": overall(gates).value,
        "report": result.report[:1024],
    }
    return succeeded(observed, conditions, {"evaluation": to_json(_present(evaluation))})


def _blessing(gates: tuple[GateVerdict, ...], has_baseline: bool) -> tuple[bool, Reason, str]:
    verdict = overall(gates)
    if verdict is not Verdict.PASSED:
        reason = Reason.GATE_FAILED if verdict is Verdict.FAILED else Reason.GATE_INCONCLUSIVE
        return False, reason, objections(gates)
    skipped = not has_baseline and any("Delta" in gate.rule for gate in gates)
    note = " There was no baseline: bounds of differences did not apply." if skipped else ""
    return True, Reason.BLESSED, f"All gates passed ({len(gates)}).{note}"


def _baseline(observed: ObservedRun, wanted: str) -> Baseline | None:
    """Return production as it is now, where the evaluation asks for it and there is one."""
    production = (observed.model.status if observed.model else {}).get("production")
    if wanted != "Production" or not production:
        return None
    artifact = production.get("artifact") or {}
    flat = {**artifact, "run": production.get("run"), "engine": production.get("engine")}
    try:
        return from_json(Baseline, flat, "status.production of the model")
    except DecodeError as error:
        raise ImpossibleError(str(error)) from error


def _scores(told: Mapping[str, Any] | None) -> dict[str, str]:
    scores = (told or {}).get("scores")
    found = scores.items() if isinstance(scores, Mapping) else ()
    return {str(metric): value for metric, value in found if isinstance(value, str)}


def _present(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if value is not None}
