"""Which pairs make a batch: sentences of like length, up to a number of tokens.

The batches of an epoch follow from (lengths, seed, epoch) alone, so a training that was interrupted
goes on with the very batch it was at. Lengths differ from batch to batch; the training step is
compiled once, for any length.
"""

from __future__ import annotations

import numpy as np

_POOL = 200_000  # pairs sorted at once: enough for full batches, small beside a large corpus


def plan(lengths: np.ndarray, batch_tokens: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return the batches of one epoch as indices; every pair stands in exactly one.

    Args:
        lengths: ``[pairs, 2]`` tokens of source and target, end marks counted.
        batch_tokens: most tokens of a batch on either side, padding counted (one longer pair stands
            alone).
        seed: of the training.
        epoch: number from 0.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    batches = [
        batch
        for first in range(0, len(order), _POOL)
        for batch in _cut(_by_length(order[first : first + _POOL], lengths), lengths, batch_tokens)
    ]
    return [batches[i] for i in random.permutation(len(batches))]


def in_order(lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Return batches of like length in a fixed order, for measuring."""
    return _cut(_by_length(np.arange(len(lengths)), lengths), lengths, batch_tokens)


def real_share(lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    """Return the share of tokens in ``batches`` that is not padding."""
    padded = sum(int(lengths[batch].max(0).sum()) * len(batch) for batch in batches)
    return int(lengths.sum()) / padded if padded else 1.0


def _by_length(rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Sort by the longer side, then by which side it is; equals keep their (random) order."""
    source, target = lengths[rows].T
    return rows[np.lexsort((source - target, np.maximum(source, target)))]


def _cut(rows: np.ndarray, lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Cut sorted rows into runs of at most ``batch_tokens``; the last of a run is its longest."""
    longest = lengths[rows].max(1)
    cuts, first = [], 0
    for last, length in enumerate(longest):
        if last > first and (last + 1 - first) * int(length) > batch_tokens:
            cuts.append(last)
            first = last
    return np.split(rows, cuts) if len(rows) else []
