from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trainer.test_statistics import of

from mt_contract.errors import DataError
from mt_trainer import divergence

COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=9).filter(any)
LATIN = [(f"a sentence of {n}", f"uma frase de {n}") for n in range(200)]
LONGER = [(f"{a}, and it goes on and on", f"{b}, que continua sempre") for a, b in LATIN]
CYRILLIC = [(a, "предложение") for a, _ in LATIN]


def previous(folder: Path, pairs: list[tuple[str, str]]) -> Path:
    content = {"digest": "sha256:1", "statistics": of(pairs)}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def judged(folder: Path, pairs: list[tuple[str, str]], limit: float | None) -> dict[str, Any]:
    before, why = divergence.earlier(folder)
    assert before, why
    found = divergence.compared(of(pairs), before, limit)
    divergence.check(found)
    return found


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param([1, 1], [5, 5], 0.0, id="the same shares"),
        pytest.param([1, 0], [0, 1], 1.0, id="nothing in common"),
        # H(3/4, 1/4) - (H(1/2, 1/2) + H(1, 0)) / 2
        pytest.param([1, 1], [1, 0], 0.8112781245 - 0.5, id="half in common"),
    ],
)
def test_the_divergence_is_the_published_one(
    ours: list[float], theirs: list[float], expected: float
) -> None:
    assert math.isclose(divergence.jensen_shannon(ours, theirs), expected, abs_tol=1e-9)


@given(COUNTS, COUNTS)
def test_it_is_symmetric_and_between_0_and_1(ours: list[int], theirs: list[int]) -> None:
    size = max(len(ours), len(theirs))
    ours, theirs = (side + [0] * (size - len(side)) for side in (ours, theirs))
    found = divergence.jensen_shannon(ours, theirs)
    assert 0 <= found <= 1
    assert math.isclose(found, divergence.jensen_shannon(theirs, ours), abs_tol=1e-12)
    assert divergence.jensen_shannon(ours, ours) == 0


@pytest.mark.parametrize(
    ("pairs", "limit", "refusal"),
    [
        pytest.param(LATIN, 0.0, None, id="the same text"),
        pytest.param(LATIN[20:], 0.2, None, id="nearly the same text"),
        pytest.param(
            LONGER, 0.2, r"targetCharacters has .* of 1\.000, .* 0\.2\. ", id="longer text"
        ),
        pytest.param(CYRILLIC, 0.2, r"targetScripts has .* 1\.000", id="another script"),
        pytest.param(CYRILLIC, None, None, id="no limit"),
        pytest.param(CYRILLIC, 1.0, None, id="any text will do"),
    ],
)
def test_text_unlike_the_last_run_is_refused_by_feature(
    tmp_path: Path, pairs: list[tuple[str, str]], limit: float | None, refusal: str | None
) -> None:
    previous(tmp_path, LATIN)
    if refusal is None:
        found = judged(tmp_path, pairs, limit)
        assert found["checked"] == (limit is not None)
        assert found["against"] == "sha256:1"
    else:
        with pytest.raises(DataError, match=refusal):
            judged(tmp_path, pairs, limit)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="there is none"),
        pytest.param("{", id="half a file"),
        pytest.param("[]", id="another shape"),
        pytest.param('{"pairs": 3}', id="an older release's"),
        pytest.param('{"statistics": {"source": 3}}', id="another release's"),
    ],
)
def test_statistics_that_cannot_be_compared_with_are_said_to_be(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    found, why = divergence.earlier(tmp_path)
    assert found is None
    assert str(tmp_path / "dataset.json") in why


def test_the_first_run_has_nothing_to_be_compared_with() -> None:
    assert divergence.earlier(None) == (None, "there is no run before this one")
