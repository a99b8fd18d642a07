"""Numbers as people read them, and the marks of an axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mt_predictor.scores import PERCENT

MINUS, NOTHING, TO = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{EN DASH}"
BETTER: Mapping[str, str] = {
    "chrF": "higher is better",
    "BLEU": "higher is better",
    "TER": "lower is better",
    "LengthRatio": "near 1 is best",
    "EmptyFraction": "lower is better",
    "CopyFraction": "lower is better",
}


def number(value: Any) -> float | None:
    """Return a finite number, if ``value`` is one or spells one."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def score(metric: str, value: float, *, signed: bool = False) -> str:
    """Return a score, or with its sign a difference of scores."""
    digits = 2 if metric in PERCENT else 4
    rounded = round(value, digits) + 0.0  # no negative zero
    return plain(rounded, digits, signed=signed) if rounded else "0"


def plain(value: float, digits: int = 0, *, signed: bool = False) -> str:
    """Return a number with a true minus sign, and commas between thousands."""
    return f"{value:{'+' if signed else ''},.{digits}f}".replace("-", MINUS)


def span(metric: str, low: float, high: float, *, signed: bool = False) -> str:
    """Return an interval in words."""
    return f"{score(metric, low, signed=signed)} to {score(metric, high, signed=signed)}"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers from ``low`` to ``high``, at most ``most`` of them, at least one."""
    if not low < high:
        return [low]
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (size * factor for factor in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [round(place * step, 12) for place in range(first, last + 1)] or [low]
    return [low]


def label(value: float) -> str:
    """Return the text at a tick."""
    return plain(value) if value == round(value) else f"{round(value, 9):.6g}".replace("-", MINUS)
