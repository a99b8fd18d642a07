"""What text like this looks like, inferred from its statistics, and what does not fit in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mt_trainer.statistics import SIDES

_EXPECTED = 0.1  # share of sentences from which on a script belongs to a language
# What a side may have a share of before a person is told, and what it then is called.
_TOLERATED = {
    "otherScripts": (0.005, "are mostly in another script than"),
    "htmlTags": (0.01, "hold HTML tags"),
    "urls": (0.05, "hold web addresses"),
    "nearEmpty": (0.05, "have at most two characters"),
}


def infer(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Return for each side the scripts to expect, and the lengths that 98 % of sentences have."""
    return {side: _expected(statistics[side]) for side in SIDES}


def other_scripts(side: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many sentences of a side are mostly in a script that is not to be expected."""
    others = [name for name in side["scripts"] if name not in expected["scripts"]]
    count = sum(side["scripts"][name] for name in others)
    total = sum(side["scripts"].values())
    found: dict[str, Any] = {"count": count, "share": round(count / max(total, 1), 6)}
    if others:
        found["first"] = side["firstOfScript"][max(others, key=side["scripts"].__getitem__)]
    return found


def anomalies(
    statistics: Mapping[str, Any], schema: Mapping[str, Any], before: Mapping[str, Any] | None
) -> Iterator[str]:
    """Yield what does not fit, a short sentence each.

    Args:
        statistics: of this run's text.
        schema: inferred from them.
        before: the schema of the run before, or None.
    """
    for side in SIDES:
        own, expected = statistics[side], schema[side]
        found = {**own, "otherScripts": other_scripts(own, expected)}
        for trait, (tolerated, what) in _TOLERATED.items():
            share = found[trait]["share"]
            if share > tolerated:
                scripts = f" {', '.join(expected['scripts'])}" if trait == "otherScripts" else ""
                yield f"{share:.1%} of {side}s {what}{scripts} (first: {found[trait]['first']})"
        new = set(expected["scripts"]) - set((before or schema)[side]["scripts"])
        for script in sorted(new):
            yield f"{side}s in {script}, which the last run's text had none or little of"


def _expected(side: Mapping[str, Any]) -> dict[str, Any]:
    total = sum(side["scripts"].values())
    usual = [name for name, count in side["scripts"].items() if count >= _EXPECTED * total]
    characters = {"min": side["characters"].get("p1", 0), "max": side["characters"].get("p99", 0)}
    return {"scripts": usual, "characters": characters}
