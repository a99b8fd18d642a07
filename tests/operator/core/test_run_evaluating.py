"""What an evaluation is compared with, and what its scores come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.operator.builders import DIGEST, MODEL_REFERENCE, SPEC, comparison, model_view, spec_with
from tests.operator.run_builders import (
    BY_DELTA,
    ENGINE,
    PRODUCTION,
    condition,
    evaluating,
    judged,
    said,
)

from mt_operator.core.plan import Event
from mt_operator.core.run.decide import decide_run


def test_the_baseline_is_production_as_it_is_when_the_evaluation_begins() -> None:
    spec = {**MODEL_REFERENCE, **SPEC}
    observed = evaluating(spec=spec, model=model_view(status={"production": PRODUCTION}))
    assert observed.status["inputs"]["baseline"] == {
        "run": "pt-en-old",
        "uri": "pvc://models/old/model",
        "digest": DIGEST,
        "engine": ENGINE,
    }
    later = replace(observed, model=model_view(status={"production": {}}))
    assert decide_run(later) == decide_run(observed)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"model": model_view()}, id="nothing is in production"),
        pytest.param(
            {
                "spec": {**MODEL_REFERENCE, **spec_with(evaluation={"baseline": "None"})},
                "model": model_view(status={"production": PRODUCTION}),
            },
            id="the user wants none",
        ),
        pytest.param({}, id="the run has no model"),
    ],
)
def test_there_may_be_no_baseline(changes: dict[str, Any]) -> None:
    assert "baseline" not in evaluating(**changes).status["inputs"]


def test_scores_are_judged_and_the_run_is_over() -> None:
    plan = decide_run(judged())
    assert plan.status is not None
    assert plan.status["evaluation"] == {
        "scores": {"chrF": "48.2", "BLEU": "27.9"},
        "examples": 500,
        "signatures": {"chrF": "nrefs:1"},
        "comparisons": [{"metric": "chrF", "examples": 500, "value": "48.2"}],
        "gates": [
            {
                "name": "quality",
                "metric": "chrF",
                "rule": "min 40",
                "verdict": "Passed",
                "message": "gate quality: chrF is 48.2, not below min 40",
                "value": "48.2",
            }
        ],
        "verdict": "Passed",
        "report": "pvc://models/pt-en/evaluation/report.json",
    }
    assert said(judged(), "Blessed") == "True Blessed: All gates passed (1)."
    assert said(judged(), "Succeeded").startswith("True Completed")
    assert condition(judged(), "Reconciling") is None
    assert plan.status["progress"]["stage"] == "Succeeded"
    assert plan.events == (Event("Normal", "Blessed", "All gates passed (1)."),)


def test_a_run_whose_gates_fail_did_run() -> None:
    observed = judged(comparison(value="12.5"))
    assert said(observed, "Succeeded").startswith("True")
    assert said(observed, "Blessed") == (
        "False GateFailed: gate quality: chrF is 12.5, below min 40. To go on, change the recipe "
        "or its data, move the bound, or override it on the model by the annotation "
        "translation.kubeflow.org/bless: pt-en-7h2xk."
    )
    assert [event.type for event in decide_run(observed).events] == ["Warning"]


def test_an_open_question_blesses_nothing() -> None:
    row = comparison(delta="0.1", low="-1", high="1")
    model = model_view(status={"production": PRODUCTION})
    observed = judged(row, spec=BY_DELTA, model=model)
    assert said(observed, "Blessed").startswith("False GateInconclusive: gate r: chrF differs by")
    assert said(observed, "Succeeded").startswith("True")


def test_a_blessing_without_a_baseline_says_so() -> None:
    observed = judged(spec=BY_DELTA, model=model_view())
    assert "There was no baseline" in said(observed, "Blessed")
    row = comparison(delta="1", low="0", high="2")
    compared = judged(row, spec=BY_DELTA, model=model_view(status={"production": PRODUCTION}))
    assert said(compared, "Blessed") == "True Blessed: All gates passed (1)."


def test_what_stalled_a_run_is_forgotten_when_it_ends_well() -> None:
    observed = judged()
    stalled = {"type": "Stalled", "status": "True", "reason": "NameTaken", "message": "x"}
    stalled |= {"observedGeneration": 1, "lastTransitionTime": "2026-11-21T11:00:00Z"}
    status = dict(observed.status)
    status["conditions"] = [*status["conditions"], stalled]
    assert condition(replace(observed, status=status), "Stalled") is None
