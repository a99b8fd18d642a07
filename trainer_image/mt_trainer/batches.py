"""Which pairs make a batch: sentences of like length, up to a number of tokens.

The batches of an epoch follow from (lengths, seed, epoch) alone, so a training that was interrupted
goes on with the very batch it was at. They are planned pool by pool, while they are asked for: a
pool is a random part of the corpus, of the same size for any corpus. Lengths differ from batch to
batch; where a step is compiled for fixed lengths, ``shapes`` plans instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from mt_trainer.order import shuffled

POOL = 1 << 17  # pairs sorted at once: enough for full batches, small beside a network
_EMPTY_AT_MOST = 0.1  # share of a batch given up where the next pairs would cost more padding


def plan(
    lengths: np.ndarray, batch_tokens: int, seed: int, epoch: int, start: int = 0
) -> Iterator[np.ndarray]:
    """Yield the batches of one epoch as indices; every pair stands in exactly one.

    Args:
        lengths: ``[pairs, 2]`` tokens of source and target, end marks counted.
        batch_tokens: most tokens of a batch on either side, padding counted (one longer pair stands
            alone).
        seed: of the training.
        epoch: number from 0.
        start: how many of the first batches are left out.
    """
    return islice(
        (
            batch
            for number, rows in enumerate(pools(len(lengths), seed, epoch))
            for batch in _mixed(_cut(rows, lengths, batch_tokens), seed, epoch, number)
        ),
        start,
        None,
    )


def steps(lengths: np.ndarray, batch_tokens: int, seed: int) -> int:
    """Return how many batches an epoch has: exactly for one pool, else by the first one."""
    first = next(pools(len(lengths), seed, 0), np.zeros(0, np.int64))
    return round(len(_cut(first, lengths, batch_tokens)) * len(lengths) / max(len(first), 1))


def in_order(lengths: np.ndarray, batch_tokens: int) -> Iterator[np.ndarray]:
    """Yield batches of like length in a fixed order, for measuring."""
    for first in range(0, len(lengths), POOL):
        rows = np.arange(first, min(first + POOL, len(lengths)))
        yield from _cut(rows, lengths, batch_tokens)


def real_share(lengths: np.ndarray, batches: Iterable[np.ndarray]) -> float:
    """Return the share of tokens in ``batches`` that is not padding."""
    real = padded = 0
    for batch in batches:
        own = lengths[batch].astype(np.int64)
        real, padded = real + int(own.sum()), padded + int(own.max(0).sum()) * len(batch)
    return real / padded if padded else 1.0


def pools(count: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """Yield all rows of a corpus in this epoch's order, in parts of like size."""
    parts = -(-count // POOL)
    for number in range(parts):
        places = np.arange(number * count // parts, (number + 1) * count // parts)
        yield shuffled(places, count, seed, epoch)


def _mixed(batches: list[np.ndarray], seed: int, epoch: int, pool: int) -> Iterator[np.ndarray]:
    chosen = np.random.default_rng([seed, epoch, pool]).permutation(len(batches))
    return (batches[i] for i in chosen)


def _cut(rows: np.ndarray, lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Cut rows, brought together by length, into batches with little padding on both sides."""
    own = lengths[rows].astype(np.int64)
    sorted_rows = _by_length(own)
    rows, own = rows[sorted_rows], own[sorted_rows]
    found, first = [], 0
    while first < len(rows):
        # Rows go from short to long: more than fit by the first one's length never do.
        most = batch_tokens // max(int(own[first].max()), 1) + 1
        number = _fitting(own[first : first + most], batch_tokens, first + most >= len(rows))
        found.append(rows[first : first + number])
        first += number
    return found


def _by_length(own: np.ndarray) -> np.ndarray:
    """Sort by the longer side, then by which side it is, there and back; equals keep their order.

    There and back, so that the last of one length are like the first of the next.
    """
    source, target = own.T
    longer, difference = np.maximum(source, target), source - target
    return np.lexsort((np.where(longer % 2, difference, -difference), longer))


def _fitting(own: np.ndarray, batch_tokens: int, last: bool) -> int:
    """Return how many of the first rows make a batch: the number with the least padding."""
    number = np.arange(1, len(own) + 1)
    longest = np.maximum.accumulate(own)
    full = max(1, int(np.searchsorted(longest.max(1) * number, batch_tokens, "right")))
    if last and full == len(own):
        return full
    least = max(1, int((1 - _EMPTY_AT_MOST) * full))
    real = np.cumsum(own[:full].sum(1)) / (longest[:full].sum(1) * number[:full])
    return full - int(np.argmax(real[least - 1 :][::-1]))
