"""Several pairs in one row, for a step that is compiled for a single shape and wastes little of it.

A row of the network then holds sentences one after the other; segments say which token belongs to
which, so that none attends to its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from mt_trainer.batches import pools

_OPEN = 16  # rows that are being filled: with more hardly any space is saved


def plan(
    lengths: np.ndarray, rows: int, row_tokens: int, seed: int, epoch: int, start: int = 0
) -> Iterator[list[np.ndarray]]:
    """Yield the batches of one epoch; every pair stands in exactly one row of one batch.

    Pairs come in random order, each into the open row that it fills best (best fit, bounded space).

    Args:
        lengths: ``[pairs, 2]`` tokens of source and target, end marks counted, none above
            ``row_tokens``.
        rows: of a batch; the last of an epoch may have fewer.
        row_tokens: of a row, on either side.
        seed: of the training.
        epoch: number from 0.
        start: how many of the first batches are left out.

    Yields:
        for each row the pairs in it, in their order.
    """
    filled = _rows(lengths, row_tokens, seed, epoch)
    return islice(iter(lambda: list(islice(filled, rows)), []), start, None)


def real_share(
    lengths: np.ndarray, batches: Iterable[list[np.ndarray]], rows: int, row_tokens: int
) -> float:
    """Return the share of tokens in ``batches`` that is not padding."""
    real = padded = 0
    for batch in batches:
        real += int(lengths[np.concatenate(batch)].sum(dtype=np.int64))
        padded += 2 * rows * row_tokens
    return real / padded if padded else 1.0


def _rows(lengths: np.ndarray, row_tokens: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    # Plain lists: a row is judged in less time than NumPy takes to look at so few numbers.
    free = [[row_tokens, row_tokens] for _ in range(_OPEN)]
    held: list[list[int]] = [[] for _ in range(_OPEN)]
    for pool in pools(len(lengths), seed, epoch):
        for pair, (source, target) in zip(pool.tolist(), lengths[pool].tolist(), strict=True):
            best, least = -1, 2 * row_tokens + 1
            for i, (wide, high) in enumerate(free):
                if source <= wide and target <= high and wide + high < least:
                    best, least = i, wide + high
            if best < 0:
                best = min(range(_OPEN), key=lambda i: min(free[i]))
                yield np.array(held[best])
                free[best], held[best] = [row_tokens, row_tokens], []
            held[best].append(pair)
            free[best][0] -= source
            free[best][1] -= target
    yield from (np.array(pairs) for pairs in held if pairs)
