"""What a document would become is known before it is parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt_predictor.json_values import more_values_than


def values(document: Any) -> int:
    """Return how many values there are, the document itself counted."""
    if isinstance(document, dict):
        return 1 + sum(map(values, document.values()))
    return 1 + sum(map(values, document)) if isinstance(document, list) else 1


@pytest.mark.parametrize(
    ("document", "most", "more"),
    [
        pytest.param(b'{"instances": ["a", "b"]}', 4, False, id="two texts"),
        pytest.param(b'{"instances": ["a", "b"]}', 3, True, id="one more than allowed"),
        pytest.param(b'["' + b"a, [b] {c}" * 99_999 + b'"]', 2, False, id="marks in a text"),
        pytest.param(rb'["\", \\", 1]', 3, False, id="a quotation mark in a text"),
        pytest.param(b"[" + b"{}," * 99_999, 99_999, True, id="no end, no matter"),
        pytest.param(b'["' + b"," * 99, 2, True, id="a text without an end is none"),
        pytest.param(b"", 1, False, id="nothing"),
    ],
)
def test_values_are_counted(document: bytes, most: int, more: bool) -> None:
    assert more_values_than(most, document) == more


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(_JSON, st.booleans())
def test_no_document_with_fewer_values_is_refused(document: Any, ascii_only: bool) -> None:
    """And none with twice as many is let through: an empty list has a mark and no value in it."""
    written = json.dumps(document, ensure_ascii=ascii_only).encode()
    count = values(document)
    assert more_values_than(count - 1, written)
    assert not more_values_than(2 * count, written)
