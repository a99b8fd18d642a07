"""What is allowed and still hardly meant: gates that cannot fail, or cannot pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mt_cli.lint.finding import Finding, Severity

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Range:
    """The values that a metric can have, and which of them are good."""

    least: Decimal
    most: Decimal | None
    higher_is_better: bool | None  # None: a value in the middle is


_ZERO, _ONE, _HUNDRED = Decimal(0), Decimal(1), Decimal(100)
RANGES: Mapping[str, Range] = {
    "chrF": Range(_ZERO, _HUNDRED, True),
    "BLEU": Range(_ZERO, _HUNDRED, True),
    "TER": Range(_ZERO, None, False),
    "LengthRatio": Range(_ZERO, None, None),
    "EmptyFraction": Range(_ZERO, _ONE, False),
    "CopyFraction": Range(_ZERO, _ONE, False),
}
QUALITY = ("chrF", "BLEU", "TER")


def of_spec(spec: Tree) -> Iterator[Finding]:
    """Yield advice about a spec that is valid."""
    evaluation = spec.get("evaluation") or {}
    gates: Sequence[Tree] = evaluation.get("gates") or ()
    for number, gate in enumerate(gates):
        yield from _gate(gate, f"spec.evaluation.gates[{number}]")
    if gates and not any(gate["metric"] in QUALITY for gate in gates):
        told = "no gate measures quality (chrF, BLEU or TER): a useless model could pass"
        yield _advice("spec.evaluation.gates", told)
    yield from _overlap(spec)
    yield from _steps(spec)


def _advice(where: str, message: str) -> Finding:
    return Finding(where, message, Severity.WARNING, "advice")


def _gate(gate: Tree, where: str) -> Iterator[Finding]:
    metric, known = str(gate["metric"]), RANGES.get(str(gate["metric"]))
    if known is None:
        return
    low, high = _number(gate, "min"), _number(gate, "max")
    if low is not None and known.most is not None and low > known.most:
        yield _advice(f"{where}.min", f"{metric} is at most {known.most}: nothing can pass")
    if high is not None and high < known.least:
        yield _advice(f"{where}.max", f"{metric} is at least {known.least}: nothing can pass")
    if low is not None and low <= known.least and gate.get("max") is None:
        yield _advice(f"{where}.min", f"{metric} is never below {known.least}: it cannot fail")
    if high is not None and known.most is not None and high >= known.most:
        yield _advice(f"{where}.max", f"{metric} is never above {known.most}: it cannot fail")
    yield from _direction(gate, where, known)


def _direction(gate: Tree, where: str, known: Range) -> Iterator[Finding]:
    metric, better = gate["metric"], known.higher_is_better
    if better is None:
        return
    wrong = ("max", "maxDelta") if better else ("min", "minDelta")
    right = ("min", "minDelta") if better else ("max", "maxDelta")
    word = "higher" if better else "lower"
    if any(key in gate for key in wrong) and not any(key in gate for key in right):
        key = next(key for key in wrong if key in gate)
        instead = right[wrong.index(key)]
        told = (
            f"of {metric}, {word} is better, and {key} refuses the good side: {instead} is meant?"
        )
        yield _advice(f"{where}.{key}", told)
    delta = _number(gate, right[1])
    if delta is not None and (delta > 0 if better else delta < 0):
        told = "a candidate as good as production fails: only a sure improvement is rolled out"
        yield _advice(f"{where}.{right[1]}", told)


def _number(gate: Tree, key: str) -> Decimal | None:
    return Decimal(str(gate[key])) if gate.get(key) is not None else None


def _overlap(spec: Tree) -> Iterator[Finding]:
    data = spec.get("data") or {}
    trained = {entry["uri"] for key in ("train", "validation") for entry in data.get(key) or ()}
    for number, entry in enumerate(data.get("test") or ()):
        if entry["uri"] in trained:
            told = "is read for training, too: a model is judged by what it has never seen"
            yield _advice(f"spec.data.test[{number}].uri", told)


def _steps(spec: Tree) -> Iterator[Finding]:
    rollout = spec.get("rollout") or {}
    steps: Sequence[Tree] = rollout.get("steps") or ()
    waits = any("pause" in step for step in steps)
    if rollout.get("analysis") is not None and steps and not waits:
        told = "without a pause between the weights, analysis sees next to nothing of each"
        yield _advice("spec.rollout.steps", told)
