"""Prints docs/reasons.md: every reason of a condition or event, from their one enum."""

from __future__ import annotations

from mt_operator.core.next_steps import NEXT_STEPS
from mt_operator.core.reasons import Reason

HEAD = """# Reasons

What a condition's or event's `reason` means; its `message` says what happened and what to do.
This page is made from `mt_operator/core/reasons.py` and `next_steps.py` by `make docs`.

| reason | meaning | what to do |
| --- | --- | --- |
"""


def table() -> str:
    """Return the page."""
    rows = (f"| `{each.value}` | {each.meaning} | {NEXT_STEPS[each]} |\n" for each in Reason)
    return HEAD + "".join(rows)


if __name__ == "__main__":
    print(table(), end="")
