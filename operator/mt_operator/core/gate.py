"""Gates: what an evaluation measured, against what the user asks for. Nobody else knows a bound.

Absolute bounds are inclusive and judge the value. Bounds of a difference judge its confidence
interval (non-inferiority): all of it on the right side passes, all of it on the wrong side fails,
and anything between is inconclusive, which never promotes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from mt_contract.names import GROUP
from mt_contract.report import Comparison, EvaluationResult
from mt_contract.resource import Gate
from mt_operator.core.conditions import MAX_MESSAGE, shorten

LARGEST = Decimal(10) ** 9  # a larger number is no score
MAX_OBJECTIONS = MAX_MESSAGE // 2  # what to do about them, here and in the model, is never cut


class Verdict(StrEnum):
    """What follows for the candidate, the worst first."""

    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    PASSED = "Passed"


@dataclass(frozen=True)
class GateVerdict:
    """One gate, judged; in this shape it stands in the status."""

    name: str
    metric: str
    rule: str  # "min 40, minDelta -0.5"
    verdict: Verdict
    message: str
    slice: str | None = None
    value: str | None = None  # measured; of a gate that bounds only the difference: that
    interval: tuple[str, str] | None = None  # of the difference from the baseline


@dataclass(frozen=True)
class _Finding:
    """What one bound of a gate says."""

    verdict: Verdict
    text: str


_NO_BOUND = _Finding(Verdict.FAILED, "has no bound: set min, max, minDelta or maxDelta")


def judge(
    gates: Sequence[Gate], result: EvaluationResult, has_baseline: bool
) -> tuple[GateVerdict, ...]:
    """Return a verdict on each of ``gates``, in their order.

    Args:
        gates: as resolved for the run.
        result: what the evaluation measured.
        has_baseline: whether the evaluation was given one. Without, bounds of a difference do not
            apply; with one, a difference that is missing fails.
    """
    measured = {(row.metric, row.slice): row for row in result.comparisons}
    return tuple(
        _judge(gate, measured.get((gate.metric, gate.slice)), has_baseline) for gate in gates
    )


def overall(verdicts: Sequence[GateVerdict]) -> Verdict:
    """Return Passed only if every gate passed, and there is one."""
    return _worst([verdict.verdict for verdict in verdicts] or [Verdict.FAILED])


def objections(verdicts: Sequence[GateVerdict]) -> str:
    """Return in words what keeps the candidate from being blessed, certain failures first."""
    failed = [v.message for v in verdicts if v.verdict is Verdict.FAILED]
    unclear = [v.message for v in verdicts if v.verdict is Verdict.INCONCLUSIVE]
    return "; ".join(failed + unclear)


def refusal(verdicts: Sequence[GateVerdict], run: str) -> str:
    """Return why the candidate of ``run`` is not blessed, and what its people can do."""
    ways = ["change the recipe or its data", "move the bound"]
    if overall(verdicts) is Verdict.INCONCLUSIVE:
        ways = ["add sentences to spec.data.test, which narrows the interval", "move the bound"]
    override = f"override it on the model by the annotation {GROUP}/bless: {run}"
    told = shorten(objections(verdicts), MAX_OBJECTIONS)
    return f"{told}. To go on, {', '.join(ways)}, or {override}."


def measured_rows(
    gates: Sequence[Gate], comparisons: Sequence[Comparison]
) -> tuple[Comparison, ...]:
    """Return what gates name and what is a number: what the status keeps, for other bounds later.

    What a tenant's pod tells beyond that is left out.
    """
    named = {(gate.metric, gate.slice) for gate in gates}
    rows = {(row.metric, row.slice): row for row in comparisons}
    return tuple(
        replace(row, value=value, delta=_text(row.delta), low=_text(row.low), high=_text(row.high))
        for key, row in rows.items()
        if key in named and (value := _text(row.value)) is not None and 0 <= row.examples < LARGEST
    )


def _judge(gate: Gate, row: Comparison | None, has_baseline: bool) -> GateVerdict:
    findings = list(_findings(gate, row, has_baseline)) or [_NO_BOUND]
    verdict = _worst([finding.verdict for finding in findings])
    texts = [finding.text for finding in findings if finding.verdict is verdict]
    value, interval = _shown(gate, row, has_baseline)
    return GateVerdict(
        name=gate.name,
        metric=gate.metric,
        rule=rule_text(gate),
        verdict=verdict,
        message=f"gate {gate.name}: {_what(gate)} {' and '.join(texts)}",
        slice=gate.slice,
        value=value,
        interval=interval,
    )


def _findings(gate: Gate, row: Comparison | None, has_baseline: bool) -> Iterator[_Finding]:
    if row is None:
        yield _Finding(Verdict.FAILED, "was not measured: spec.data.test has no such sentences")
    elif row.examples < gate.min_examples:
        short = f"has {row.examples} test sentences, minExamples asks for {gate.min_examples}"
        yield _Finding(Verdict.FAILED, short)
    else:
        yield from _absolute(gate, _number(row.value))
        if has_baseline:
            yield from _difference(gate, row)
        elif gate.min_delta is not None or gate.max_delta is not None:
            yield _Finding(Verdict.PASSED, "has no baseline yet to differ from")


def _absolute(gate: Gate, value: Decimal | None) -> Iterator[_Finding]:
    if value is None:
        yield _Finding(Verdict.FAILED, "was measured as something that is no number")
        return
    if gate.min is not None:
        good = value >= gate.min
        yield _bound(good, f"is {value:f}, {'not below' if good else 'below'} min {gate.min:f}")
    if gate.max is not None:
        good = value <= gate.max
        yield _bound(good, f"is {value:f}, {'not above' if good else 'above'} max {gate.max:f}")


def _difference(gate: Gate, row: Comparison) -> Iterator[_Finding]:
    delta, low, high = _number(row.delta), _number(row.low), _number(row.high)
    for name, bound in (("minDelta", gate.min_delta), ("maxDelta", gate.max_delta)):
        if bound is None:
            continue
        if delta is None or low is None or high is None:
            yield _Finding(Verdict.FAILED, "was not compared with the baseline")
            continue
        changed = f"differs by {delta:+f} ({low:+f} to {high:+f}) from the baseline's"
        inside, outside = low >= bound, high < bound
        if name == "maxDelta":
            inside, outside = high <= bound, low > bound
        if inside or outside:
            yield _bound(inside, f"{changed}, {'within' if inside else 'beyond'} {name} {bound:+f}")
        else:
            unclear = f"{changed}, which leaves {name} {bound:+f} open"
            yield _Finding(Verdict.INCONCLUSIVE, unclear)


def _bound(good: bool, text: str) -> _Finding:
    return _Finding(Verdict.PASSED if good else Verdict.FAILED, text)


def _shown(
    gate: Gate, row: Comparison | None, has_baseline: bool
) -> tuple[str | None, tuple[str, str] | None]:
    """Return the number that the gate judged, and the interval of the difference if it did."""
    if row is None:
        return None, None
    value, delta, low, high = map(_number, (row.value, row.delta, row.low, row.high))
    text = None if value is None else f"{value:f}"
    by_delta = gate.min_delta is not None or gate.max_delta is not None
    if not (by_delta and has_baseline) or delta is None or low is None or high is None:
        return text, None
    only_delta = gate.min is None and gate.max is None
    return f"{delta:+f}" if only_delta else text, (f"{low:+f}", f"{high:+f}")


def rule_text(gate: Gate) -> str:
    """Return the gate's bounds as users write them: ``min 40, minDelta -0.5``."""
    bounds = {
        "min": gate.min,
        "max": gate.max,
        "minDelta": gate.min_delta,
        "maxDelta": gate.max_delta,
    }
    return ", ".join(f"{name} {bound:f}" for name, bound in bounds.items() if bound is not None)


def _what(gate: Gate) -> str:
    return f"{gate.metric} of slice {gate.slice}" if gate.slice else gate.metric


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    return min(verdicts, key=list(Verdict).index)


def _number(text: str | None) -> Decimal | None:
    """Return a finite number of sane size; what a tenant's pod reports may be anything."""
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) >= LARGEST:
        return None
    return (round(number, 9) + 0).normalize()  # + 0: no negative zero


def _text(told: str | None) -> str | None:
    number = _number(told)
    return None if number is None else f"{number:f}"
