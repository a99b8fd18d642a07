"""Statistics of the training text in fixed buckets, to notice when production's text drifts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mt_trainer.encoded import Encoded

SCHEMA_VERSION = 1
_CHUNK = 1 << 14  # pairs looked at together
_FIRST_BYTE, _LAST_BYTE = (
    4,
    259,
)  # ids of the 256 pieces that spell a character the vocabulary lacks

_LENGTHS = (1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128, 256)
_SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
BOUNDS: Mapping[str, tuple[float, ...]] = {
    "sourceLength": _LENGTHS,  # pieces of the source
    "targetLength": _LENGTHS,  # pieces of the translation
    "lengthRatio": (
        0.25,
        0.5,
        0.67,
        0.8,
        0.9,
        1.0,
        1.1,
        1.25,
        1.5,
        2.0,
        4.0,
    ),  # pieces of the translation to the source's
    "fallbackShare": _SHARES,  # share of the source's pieces that are single bytes
}


def profile(encoded: Encoded) -> dict[str, Any]:
    """Return the document of ``profile.json``: for each feature bounds and counts.

    A value x is counted in the first bucket whose bound is at least x, in the last one beyond all
    bounds.
    """
    counts = {name: np.zeros(len(bounds) + 1, np.int64) for name, bounds in BOUNDS.items()}
    for first in range(0, encoded.pairs, _CHUNK):
        for name, values in _features(encoded, slice(first, first + _CHUNK)).items():
            buckets = np.searchsorted(BOUNDS[name], values, side="left")
            counts[name] += np.bincount(buckets, minlength=len(counts[name]))
    features = {
        name: {"bounds": list(BOUNDS[name]), "counts": found.tolist()}
        for name, found in counts.items()
    }
    return {"schemaVersion": SCHEMA_VERSION, "examples": encoded.pairs, "features": features}


def fallback(encoded: Encoded, rows: slice) -> np.ndarray:
    """Return ``[pairs, 2]``, how many tokens of each sentence spell a single byte."""
    lengths = encoded.lengths[rows].astype(np.int64) - 1
    starts = encoded.starts[rows]
    tokens = encoded.tokens[starts[0] : starts[-1] + lengths[-1].sum()]
    before = np.concatenate([[0], np.cumsum((tokens >= _FIRST_BYTE) & (tokens <= _LAST_BYTE))])
    begins = starts - starts[0]
    ends = begins[:, None] + np.cumsum(lengths, 1)
    return np.diff(np.column_stack([before[begins], before[ends]]), axis=1)


def _features(encoded: Encoded, rows: slice) -> dict[str, np.ndarray]:
    source, target = (encoded.lengths[rows].astype(np.int64) - 1).T
    length = np.maximum(source, 1)
    return {
        "sourceLength": source,
        "targetLength": target,
        "lengthRatio": target / length,
        "fallbackShare": fallback(encoded, rows)[:, 0] / length,
    }
