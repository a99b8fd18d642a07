"""Buckets are those of the training text's profile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mt_predictor.features import DEFAULT_BOUNDS, bucket, features, labels, read_bounds
from mt_predictor.translator import Translation

BOUNDS = (1.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("value", "label"),
    [
        pytest.param(0.5, "1", id="below all"),
        pytest.param(1.0, "1", id="a bound belongs to its bucket"),
        pytest.param(1.01, "2", id="just above"),
        pytest.param(4.01, "inf", id="above all"),
    ],
)
def test_the_bucket_of_a_value(value: float, label: str) -> None:
    assert bucket(BOUNDS, value) == label
    assert label in labels(BOUNDS)


def test_every_feature_has_bounds() -> None:
    translation = Translation("a", -0.5, 3, 4, 3, 2, 0.0, False)
    assert features(translation).keys() == DEFAULT_BOUNDS.keys()


def test_bounds_of_the_profile_count(tmp_path: Path) -> None:
    profile = {"features": {"sourceLength": {"bounds": [3, 7], "counts": [0, 0, 0]}, "new": {}}}
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    bounds = read_bounds(tmp_path / "profile.json")
    assert bounds["sourceLength"] == (3, 7)
    assert bounds["lengthRatio"] == DEFAULT_BOUNDS["lengthRatio"]
    assert "new" not in bounds


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"features": 3}', '{"features": {"sourceLength": {"bounds": [2, 1]}}}'],
)
def test_a_broken_profile_serves_with_default_bounds(text: str, tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text(text)
    assert read_bounds(tmp_path / "profile.json") == DEFAULT_BOUNDS
