from __future__ import annotations

from typing import Any

import pytest

from demo.verdicts import verdict


def at(weight: int, revision: str = "r-2", **analysis: Any) -> dict[str, Any]:
    return {"revision": revision, "weight": weight, "analysis": analysis}


PASSED = {"verdict": "Passing", "requests": 120}
FAILED = {"verdict": "Failing", "requests": 80}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(at(0), at(10), {}, id="a weight is given"),
        pytest.param(
            at(10), at(50, **PASSED), {("r-2", 10): "Passing (120 requests)"}, id="it passes"
        ),
        pytest.param(at(50, **PASSED), at(50, **PASSED), {}, id="nothing new"),
        pytest.param(
            at(50, **PASSED), at(0, **FAILED), {("r-2", 50): "Failing (80 requests)"}, id="it fails"
        ),
        pytest.param(at(50, "r-1"), at(10, **PASSED), {}, id="another candidate"),
        pytest.param({}, {}, {}, id="no candidate"),
        pytest.param({"revision": "r-2"}, {"revision": "r-2", "weight": 10}, {}, id="no analysis"),
    ],
)
def test_a_verdict_is_of_the_weight_that_was_judged(
    before: dict[str, Any], after: dict[str, Any], expected: dict[tuple[str, int], str]
) -> None:
    assert verdict(before, after) == expected
