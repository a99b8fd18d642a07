"""Times, scores and verdicts in words and moods that all tables share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mt_cli.output import Cell, Mood
from mt_contract.codec import parse_time

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))
_MOODS = {
    "Passed": Mood.GOOD,
    "Passing": Mood.GOOD,
    "True": Mood.GOOD,
    "ok": Mood.GOOD,
    "Failed": Mood.BAD,
    "Failing": Mood.BAD,
    "problem": Mood.BAD,
    "error": Mood.BAD,
    "Inconclusive": Mood.WARN,
    "NoData": Mood.WARN,
    "warning": Mood.WARN,
    "Warning": Mood.WARN,
    "Unknown": Mood.WARN,
}


def verdict(word: str) -> Cell:
    """Return a verdict with its mood."""
    return Cell(word, _MOODS.get(word, Mood.PLAIN))


def age(text: object, now: datetime) -> str:
    """Return how long ago a time of the API server was: ``3d``, ``12m``; empty if there is none."""
    if not text:
        return ""
    try:
        return span((now - parse_time(str(text))).total_seconds())
    except ValueError:
        return "?"


def span(seconds: float) -> str:
    """Return a span in its largest unit; below a minute in seconds."""
    whole = max(0, int(seconds))
    return next((f"{whole // size}{unit}" for unit, size in _UNITS if whole >= size), f"{whole}s")


def scores(found: Mapping[str, str] | None) -> str:
    """Return scores in a line: ``BLEU 27.9, chrF 48.2``."""
    return ", ".join(f"{name} {value}" for name, value in sorted((found or {}).items()))


def size(count: object) -> str:
    """Return a number of bytes for people; empty if it is none."""
    if not isinstance(count, int) or isinstance(count, bool):
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("the last unit holds every size")
