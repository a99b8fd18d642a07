from __future__ import annotations

from typing import Any

import pytest

from demo.judge import Phase
from demo.traffic import Weights, phases, weights_of


def route(*rules: dict[str, int]) -> dict[str, Any]:
    backends = [[{"name": n, "weight": w} for n, w in rule.items()] for rule in rules]
    return {"spec": {"rules": [{"backendRefs": refs} for refs in backends]}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(route(), {}, id="no rules yet"),
        pytest.param(route({"pt-en-r-1-predictor": 100}), {"r-1": 100}, id="one revision"),
        pytest.param(
            route({"pt-en-r-1-predictor": 90, "pt-en-r-2-predictor": 10}),
            {"r-1": 90, "r-2": 10},
            id="a split",
        ),
        pytest.param(
            route({"pt-en-r-1-predictor": 100, "pt-en-r-2-predictor": 0}),
            {"r-1": 100},
            id="a dark candidate",
        ),
        pytest.param(
            route({"pt-en-r-1-predictor": 100}, {"pt-en-r-1-predictor": 100}),
            {"r-1": 100},
            id="rules for REST and gRPC agree",
        ),
    ],
)
def test_weights_of(found: dict[str, Any], expected: dict[str, int]) -> None:
    assert weights_of(found, "pt-en") == expected


def test_a_rollout_makes_one_phase_a_step() -> None:
    changes = [
        Weights(100.0, {"r-1": 100}),
        Weights(160.0, {"r-1": 90, "r-2": 10}),
        Weights(220.0, {"r-1": 50, "r-2": 50}),
        Weights(280.0, {"r-2": 100}),
    ]
    assert phases(changes, start=130.0, end=350.0) == [
        Phase("r-1 at 100 %", 130.0, 160.0, "r-1", 100, False),
        Phase("r-2 at 10 %", 160.0, 220.0, "r-2", 10, True),
        Phase("r-2 at 50 %", 220.0, 280.0, "r-2", 50, True),
        Phase("r-2 at 100 %", 280.0, 350.0, "r-2", 100, True),
    ]


def test_a_rollback_is_a_phase_without_weight_for_the_candidate() -> None:
    changes = [
        Weights(0.0, {"r-1": 100}),
        Weights(10.0, {"r-1": 90, "r-2": 10}),
        Weights(20.0, {"r-1": 100}),
    ]
    back = phases(changes, 0.0, 30.0)[-1]
    assert (back.revision, back.weight, back.is_step) == ("r-2", 0, False)


def test_what_lies_outside_the_load_is_no_phase() -> None:
    changes = [Weights(0.0, {"r-1": 100}), Weights(10.0, {"r-2": 100}), Weights(50.0, {"r-3": 100})]
    assert [p.revision for p in phases(changes, 12.0, 40.0)] == ["r-2"]
