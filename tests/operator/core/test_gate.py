"""Verdicts of gates: inclusive bounds, non-inferiority, and nothing that passes unmeasured."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.operator.builders import comparison, evaluation_result

from mt_contract.report import Comparison
from mt_contract.resource import Gate
from mt_operator.core.conditions import MAX_MESSAGE
from mt_operator.core.gate import (
    GateVerdict,
    Verdict,
    judge,
    measured_rows,
    objections,
    overall,
    refusal,
    rule_text,
)


def gate(**bounds: Any) -> Gate:
    text = {key: Decimal(value) for key, value in bounds.items() if isinstance(value, str)}
    return Gate("g", "chrF", **(bounds | text))


def sliced(name: str, **bounds: Any) -> Gate:
    return Gate("legal", "BLEU", slice=name, **bounds)


def verdict_of(gate: Gate, *rows: Comparison, has_baseline: bool = False) -> GateVerdict:
    return judge([gate], evaluation_result(*rows), has_baseline)[0]


def against(delta: str, low: str, high: str) -> Comparison:
    return comparison(delta=delta, low=low, high=high)


@pytest.mark.parametrize(
    ("bounds", "value", "expected", "words"),
    [
        pytest.param(
            {"min": "48.2"}, "48.2", "Passed", "not below min 48.2", id="min is inclusive"
        ),
        pytest.param({"min": "48.3"}, "48.2", "Failed", "below min 48.3", id="below min fails"),
        pytest.param({"max": "48.2"}, "48.2", "Passed", "not above max", id="max is inclusive"),
        pytest.param({"max": "48.1"}, "48.2", "Failed", "above max 48.1", id="above max fails"),
        pytest.param(
            {"min": "40", "max": "45"}, "48", "Failed", "above max 45", id="each bound must hold"
        ),
        pytest.param({"max": "0.1"}, "5e-05", "Passed", "is 0.00005", id="small numbers are read"),
        pytest.param({"min": "1"}, "nan", "Failed", "no number", id="a score that is nan fails"),
        pytest.param({"min": "1"}, "1e99999", "Failed", "no number", id="an endless score fails"),
        pytest.param({"max": "1"}, "-1e99999", "Failed", "no number", id="endless below fails"),
        pytest.param(
            {"min": "1"}, "good", "Failed", "no number", id="a score that is a word fails"
        ),
        pytest.param({"max": "0"}, "-0", "Passed", "is 0,", id="zero has no sign"),
    ],
)
def test_absolute_bounds_judge_the_value(
    bounds: dict[str, str], value: str, expected: str, words: str
) -> None:
    verdict = verdict_of(gate(**bounds), comparison(value=value))
    assert verdict.verdict == expected
    assert words in verdict.message


@pytest.mark.parametrize(
    ("bounds", "row", "expected"),
    [
        pytest.param(
            {"min_delta": "-0.5"}, against("0.7", "-0.5", "1.3"), "Passed", id="low reaches it"
        ),
        pytest.param(
            {"min_delta": "-0.5"},
            against("0.7", "-0.51", "1.3"),
            "Inconclusive",
            id="low below it, high above it: not known",
        ),
        pytest.param(
            {"min_delta": "-0.5"},
            against("-1", "-2", "-0.5"),
            "Inconclusive",
            id="high on the bound: still not certainly worse",
        ),
        pytest.param(
            {"min_delta": "-0.5"}, against("-1", "-2", "-0.51"), "Failed", id="certainly worse"
        ),
        pytest.param(
            {"max_delta": "0.1"}, against("0", "-0.1", "0.1"), "Passed", id="high within maxDelta"
        ),
        pytest.param(
            {"max_delta": "0.1"},
            against("0", "-0.1", "0.2"),
            "Inconclusive",
            id="high beyond maxDelta, low within: not known",
        ),
        pytest.param(
            {"max_delta": "0.1"}, against("0.3", "0.2", "0.4"), "Failed", id="certainly more"
        ),
        pytest.param(
            {"max_delta": "0.1"},
            against("0.3", "0.1", "0.4"),
            "Inconclusive",
            id="low on maxDelta: still not certainly more",
        ),
        pytest.param({"min_delta": "-0.5"}, comparison(), "Failed", id="not compared"),
        pytest.param(
            {"min_delta": "-0.5"},
            comparison(delta="0"),
            "Failed",
            id="a difference without an interval proves nothing",
        ),
        pytest.param(
            {"min": "50", "min_delta": "-0.5"},
            against("0.7", "0.1", "1.3"),
            "Failed",
            id="better than the baseline, but below the floor",
        ),
        pytest.param(
            {"min": "50", "min_delta": "-0.5"},
            against("0", "-1", "1"),
            "Failed",
            id="a certain failure outweighs an open question",
        ),
    ],
)
def test_bounds_of_a_difference_judge_its_interval(
    bounds: dict[str, str], row: Comparison, expected: str
) -> None:
    assert verdict_of(gate(**bounds), row, has_baseline=True).verdict == expected


def test_without_a_baseline_differences_do_not_apply_but_floors_do() -> None:
    both = gate(min="50", min_delta="-0.5")
    assert verdict_of(both, comparison(value="50")).verdict is Verdict.PASSED
    assert verdict_of(both, comparison(value="49")).verdict is Verdict.FAILED
    only_delta = verdict_of(gate(min_delta="0"), comparison())
    assert only_delta.verdict is Verdict.PASSED
    assert only_delta.message == "gate g: chrF has no baseline yet to differ from"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        pytest.param(comparison("BLEU"), "was not measured", id="a missing slice"),
        pytest.param(comparison("TER", slice="legal"), "was not measured", id="a missing metric"),
        pytest.param(
            comparison("BLEU", slice="legal", examples=199),
            "has 199 test sentences, minExamples asks for 200",
            id="too few sentences",
        ),
        pytest.param(
            comparison("BLEU", slice="legal", examples=0), "has 0 test", id="an empty slice"
        ),
    ],
)
def test_what_was_not_measured_never_passes(row: Comparison, words: str) -> None:
    verdict = verdict_of(sliced("legal", min=Decimal(1), min_examples=200), row)
    assert verdict.verdict is Verdict.FAILED
    assert verdict.message.startswith("gate legal: BLEU of slice legal ")
    assert words in verdict.message


def test_as_many_sentences_as_asked_for_are_enough() -> None:
    row = comparison("BLEU", slice="legal", examples=200)
    assert (
        verdict_of(sliced("legal", min=Decimal(1), min_examples=200), row).verdict is Verdict.PASSED
    )


def test_a_gate_without_a_bound_passes_nothing() -> None:
    verdict = verdict_of(gate(), comparison())
    assert verdict.verdict is Verdict.FAILED
    assert "has no bound" in verdict.message


def test_the_status_shows_the_difference_where_only_it_is_bounded() -> None:
    row = against("0.70", "0.1", "1.3")
    delta = verdict_of(gate(min_delta="-0.5"), row, has_baseline=True)
    assert (delta.value, delta.interval, delta.rule) == ("+0.7", ("+0.1", "+1.3"), "minDelta -0.5")
    both = verdict_of(gate(min="40", min_delta="-0.5"), row, has_baseline=True)
    assert (both.value, both.interval) == ("48.2", ("+0.1", "+1.3"))
    assert rule_text(gate(min="40", min_delta="-0.5")) == "min 40, minDelta -0.5"


METRICS = [
    pytest.param("chrF", {"min": "40"}, "39.9999", "40", "below min 40", id="chrF"),
    pytest.param("BLEU", {"min": "15"}, "14.9999", "15", "below min 15", id="BLEU"),
    pytest.param("TER", {"max": "60"}, "60.0001", "60", "above max 60", id="TER, lower is better"),
    pytest.param("LengthRatio", {"min": "0.8"}, "0.799999", "0.8", "below min 0.8", id="too short"),
    pytest.param("LengthRatio", {"max": "1.2"}, "1.200001", "1.2", "above max 1.2", id="too long"),
    pytest.param("EmptyFraction", {"max": "0.001"}, "0.001001", "0.001", "above max", id="empty"),
    pytest.param("CopyFraction", {"max": "0.1"}, "0.100001", "0.1", "above max 0.1", id="copies"),
    pytest.param("EmptyFraction", {"max": "0"}, "0.000001", "0.000000", "above max 0", id="none"),
]


@pytest.mark.parametrize("slice", [None, "legal"])
@pytest.mark.parametrize(("metric", "bounds", "bad", "good", "words"), METRICS)
def test_every_metric_is_judged_on_all_sentences_and_on_a_slice(
    metric: str, bounds: dict[str, str], bad: str, good: str, words: str, slice: str | None
) -> None:
    limits = {key: Decimal(value) for key, value in bounds.items()}
    asked = Gate("g", metric, slice=slice, min_examples=200, **limits)  # type: ignore[arg-type]
    of = f"{metric} of slice legal" if slice else metric
    row = comparison(metric, slice=slice, examples=200)
    failed = verdict_of(asked, replace(row, value=bad))
    assert failed.verdict is Verdict.FAILED
    assert failed.message.startswith(f"gate g: {of} is {bad}, {words}")
    assert verdict_of(asked, replace(row, value=good)).verdict is Verdict.PASSED
    elsewhere = replace(row, value=good, slice="general" if slice is None else None)
    assert verdict_of(asked, elsewhere).verdict is Verdict.FAILED
    few = verdict_of(asked, replace(row, value=good, examples=199))
    assert few.message == f"gate g: {of} has 199 test sentences, minExamples asks for 200"


@pytest.mark.parametrize(
    ("metric", "bounds", "low", "high", "expected"),
    [
        pytest.param("TER", {"max_delta": "1"}, "-3", "0.9", "Passed", id="TER may rise by one"),
        pytest.param("TER", {"max_delta": "1"}, "0.9", "1.1", "Inconclusive", id="or by more"),
        pytest.param("TER", {"max_delta": "1"}, "1.1", "2", "Failed", id="TER rose by more"),
        pytest.param(
            "EmptyFraction", {"max_delta": "0"}, "0", "0", "Passed", id="no more is empty"
        ),
        pytest.param(
            "CopyFraction", {"max_delta": "0"}, "-0.01", "0.01", "Inconclusive", id="more copies?"
        ),
        pytest.param(
            "LengthRatio",
            {"min_delta": "-0.1", "max_delta": "0.1"},
            "-0.2",
            "0",
            "Inconclusive",
            id="as long as before, from both sides",
        ),
        pytest.param("BLEU", {"min_delta": "-0.5"}, "-0.5", "2", "Passed", id="BLEU not lower"),
    ],
)
def test_differences_of_every_metric_are_judged_by_their_interval(
    metric: str, bounds: dict[str, str], low: str, high: str, expected: str
) -> None:
    limits = {key: Decimal(value) for key, value in bounds.items()}
    asked = Gate("g", metric, slice="legal", **limits)  # type: ignore[arg-type]
    row = comparison(metric, slice="legal", delta=low, low=low, high=high)
    verdict = verdict_of(asked, row, has_baseline=True)
    assert verdict.verdict == expected
    name = next(iter(bounds)).replace("_d", "D")
    assert verdict.message.startswith(f"gate g: {metric} of slice legal differs by ")
    assert (name in verdict.message) or expected == "Passed"


def test_a_refusal_says_what_people_can_do_however_many_gates_object() -> None:
    gates = [Gate(f"gate-number-{number}", "chrF", min=Decimal(90)) for number in range(24)]
    told = refusal(judge(gates, evaluation_result(), has_baseline=False), "run-1")
    assert len(told) <= MAX_MESSAGE
    assert told.startswith("gate gate-number-0: chrF is 48.2, below min 90; ")
    assert told.endswith("by the annotation translation.kubeflow.org/bless: run-1.")
    unclear = [Gate("b", "chrF", min_delta=Decimal(0))]
    open_ = judge(unclear, evaluation_result(against("0", "-1", "1")), has_baseline=True)
    assert "add sentences to spec.data.test" in refusal(open_, "run-1")


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        pytest.param(against("0.70", "0.1", "1.3"), against("0.7", "0.1", "1.3"), id="all of it"),
        pytest.param(against("x", "nan", "1"), comparison(high="1"), id="only what is a number"),
        pytest.param(comparison(value="x" * 99), None, id="no value, no row"),
        pytest.param(comparison(examples=-1), None, id="fewer than no sentences"),
        pytest.param(comparison("BLEU"), None, id="what no gate names"),
    ],
)
def test_what_is_kept_of_a_measurement_fits_the_status(
    row: Comparison, kept: Comparison | None
) -> None:
    assert measured_rows([gate(min="1")], [row]) == (() if kept is None else (kept,))


def test_overall_and_objections_put_certain_failures_first() -> None:
    rows = (comparison(), comparison("BLEU", delta="0", low="-1", high="1"))
    unclear = Gate("b", "BLEU", min_delta=Decimal(0))
    bad = Gate("c", "chrF", min=Decimal(90))
    good = Gate("a", "chrF", min=Decimal(40))
    result = evaluation_result(*rows)
    verdicts = judge([good, unclear, bad], result, has_baseline=True)
    assert overall(verdicts) is Verdict.FAILED
    assert objections(verdicts) == (
        "gate c: chrF is 48.2, below min 90; gate b: BLEU differs by +0 (-1 to +1) from the "
        "baseline's, which leaves minDelta +0 open"
    )
    assert overall(verdicts[:2]) is Verdict.INCONCLUSIVE
    assert overall(verdicts[:1]) is Verdict.PASSED
    assert overall([]) is Verdict.FAILED  # a candidate that nothing judged is not blessed
