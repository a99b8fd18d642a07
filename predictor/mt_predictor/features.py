"""What requests look like, counted in fixed buckets: drift is computed from these counts.

The bounds never change within a revision, so that counts of any window and of any number of
replicas add up. Names are those of the API's ``status.drift.feature``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from mt_predictor.translator import Translation

BOUNDS: Mapping[str, tuple[float, ...]] = {
    "sourceLength": (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256),  # tokens, end mark too
    "byteFallback": (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),  # share of pieces that are bytes
    "lengthRatio": (0.25, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 4),  # tokens out over tokens in
    "score": (-4, -3, -2, -1.5, -1, -0.75, -0.5, -0.3, -0.2, -0.1),  # mean log-probability
}


def features(translation: Translation) -> Mapping[str, float]:
    """Return the features of one translation that is not empty in its source."""
    return {
        "sourceLength": translation.source_tokens,
        "byteFallback": translation.byte_fraction,
        "lengthRatio": translation.tokens / translation.source_tokens,
        "score": translation.score,
    }


def bucket(feature: str, value: float) -> str:
    """Return the bucket's label: its upper bound, which belongs to it, or ``inf``."""
    bounds = BOUNDS[feature]
    place = bisect_left(bounds, value)
    return f"{bounds[place]:g}" if place < len(bounds) else "inf"


def labels(feature: str) -> list[str]:
    """Return the labels of all buckets of a feature."""
    return [f"{bound:g}" for bound in BOUNDS[feature]] + ["inf"]
