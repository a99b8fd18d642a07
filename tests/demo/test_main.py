from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from demo import tables
from demo.__main__ import finish, outcome
from demo.judge import Phase, judge
from demo.load import Sample
from demo.narrator import Narrator
from demo.story import Candidate


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        pytest.param(
            {"rule": "min 20", "metric": "chrF", "value": "30.2", "verdict": "Passed"},
            "Passed: chrF 30.2 (asked: min 20)",
            id="a floor",
        ),
        pytest.param(
            {"rule": "minDelta -1", "metric": "chrF", "value": "30.2", "verdict": "Passed"},
            "Passed: nothing is in production to compare with",
            id="no baseline",
        ),
        pytest.param(
            {
                "rule": "minDelta -1",
                "metric": "chrF",
                "value": "+12.9",
                "interval": ["+11.1", "+14.9"],
                "verdict": "Passed",
            },
            "Passed: chrF +12.9, between +11.1 and +14.9 (asked: minDelta -1)",
            id="against a baseline",
        ),
    ],
)
def test_outcome(gate: dict[str, Any], expected: str) -> None:
    assert outcome(gate) == expected


def told() -> tuple[Narrator, io.StringIO]:
    page = io.StringIO()
    return Narrator(Console(file=page, width=120, highlight=False)), page


@pytest.mark.parametrize(
    ("problems", "code", "words"),
    [
        pytest.param([], 0, "every promise was kept", id="all is well"),
        pytest.param(["1 of 9 requests were lost"], 1, "1 of 9 requests", id="a broken promise"),
    ],
)
def test_the_exit_code_tells_of_broken_promises(problems: list[str], code: int, words: str) -> None:
    narrator, page = told()
    assert finish(problems, narrator) == code
    assert words in page.getvalue()


def test_the_tables_hold_scores_fates_shares_and_losses() -> None:
    narrator, page = told()
    seen = [Sample(10.0 + i / 100, 0.02, 200 if i else 503, "r-2") for i in range(1000)]
    found = judge(Phase("r-2 at 100 %", 5.0, 30.0, "r-2", 100), seen)
    narrator.table(tables.traffic([found], {("r-2", 100): "Passing (300 requests)"}))
    rejected = Candidate(
        "pt-en-3", "misaligned pairs", {"chrF": "12.4"}, "rejected: GateFailed", ""
    )
    narrator.table(tables.candidates([rejected]))
    narrator.table(tables.translations([("Olá", "Hello", "Hi")]))
    text = page.getvalue()
    for expected in ("r-2 at 100 %", "1000", "100.00 %", "12.4", "Passing", "Hello"):
        assert expected in text


def test_without_a_terminal_a_changing_line_does_not_fill_the_page() -> None:
    narrator, page = told()
    with narrator.live("begin"):
        for step in range(50):
            narrator.stage("training")
            narrator.progress(f"step {step}")
    assert len(page.getvalue().splitlines()) == 2
