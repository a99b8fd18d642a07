"""The page of reasons says what the code says."""

from __future__ import annotations

from pathlib import Path

from mt_operator.core.next_steps import NEXT_STEPS
from mt_operator.core.reasons import Reason
from reasons_table import table

PAGE = Path(__file__).parents[3] / "docs/reasons.md"


def test_page_of_reasons_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == table(), "run `make docs` and commit docs/reasons.md"


def test_every_reason_says_what_to_do() -> None:
    assert set(NEXT_STEPS) == set(Reason), "add the new reason to next_steps.py"
