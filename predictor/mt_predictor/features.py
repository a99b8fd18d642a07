"""What requests look like, counted in fixed buckets: drift is computed from these counts.

Features and bounds are those of the artifact's ``profile.json``, so that production's text can be
compared with what the model was trained on. Within a revision they never change, so that counts of
any window and of any number of replicas add up.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from mt_predictor.translator import Translation

Bounds = Mapping[str, tuple[float, ...]]
_LENGTHS = (1.0, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128, 256)
DEFAULT_BOUNDS: Bounds = {
    "sourceLength": _LENGTHS,  # pieces
    "targetLength": _LENGTHS,
    "lengthRatio": (0.25, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0),  # target to source
    "fallbackShare": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),  # source pieces that are single bytes
    "score": (-4.0, -3, -2, -1.5, -1, -0.75, -0.5, -0.3, -0.2, -0.1),  # no profile has it
}
_log = logging.getLogger(__name__)


def read_bounds(profile: Path) -> Bounds:
    """Return the bounds of each feature: the profile's, and ours for what it does not have."""
    try:
        found = json.loads(profile.read_bytes())["features"]
        told = {
            name: _increasing(found[name]["bounds"]) for name in DEFAULT_BOUNDS if name in found
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s holds no bounds of features (%s): default ones are used", profile, error)
        told = {}
    return dict(DEFAULT_BOUNDS) | told


def features(translation: Translation) -> Mapping[str, float]:
    """Return the features of a translation whose source is not blank."""
    return {
        "sourceLength": translation.source_pieces,
        "targetLength": translation.target_pieces,
        "lengthRatio": translation.target_pieces / translation.source_pieces,
        "fallbackShare": translation.fallback_share,
        "score": translation.score,
    }


def bucket(bounds: tuple[float, ...], value: float) -> str:
    """Return the bucket's label: its upper bound, which belongs to it, or ``inf``."""
    place = bisect_left(bounds, value)
    return f"{bounds[place]:g}" if place < len(bounds) else "inf"


def labels(bounds: tuple[float, ...]) -> list[str]:
    """Return the labels of all buckets."""
    return [f"{bound:g}" for bound in bounds] + ["inf"]


def _increasing(values: list[float]) -> tuple[float, ...]:
    bounds = tuple(float(value) for value in values)
    if not bounds or any(a >= b for a, b in pairwise(bounds)):
        raise ValueError("bounds do not increase")
    return bounds
