"""Prints docs/reasons.md: every reason of a condition or event, from their one enum."""

from __future__ import annotations

from mt_operator.core.reasons import Reason

HEAD = """# Reasons

What a condition's or event's `reason` means; its `message` says what happened and what to do.
This page is made from `mt_operator/core/reasons.py` by `make docs`.

| reason | meaning |
| --- | --- |
"""


def table() -> str:
    """Return the page."""
    return HEAD + "".join(f"| `{reason.value}` | {reason.meaning} |\n" for reason in Reason)


if __name__ == "__main__":
    print(table(), end="")
