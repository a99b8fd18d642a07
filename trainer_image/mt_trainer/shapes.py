"""Batches of a few fixed shapes, for a step that is compiled once for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mt_trainer.batches import pools

MOST = 8  # shapes: each takes as long to compile as a few hundred steps to run


@dataclass(frozen=True, order=True)
class Shape:
    """Rows of a batch, and tokens of each row's source and target."""

    source: int
    target: int
    rows: int


def histogram(*parts: np.ndarray) -> np.ndarray:
    """Return ``[longest + 1, longest + 1]``, how many pairs have each length of source and target.

    Args:
        parts: ``[pairs, 2]`` lengths each, end marks counted.
    """
    size = max(int(lengths.max(initial=0)) for lengths in parts) + 1
    counts = np.zeros(size * size, np.int64)
    for lengths in parts:
        for part in np.array_split(lengths, len(lengths) // 2**17 + 1):
            counts += np.bincount(part[:, 0].astype(np.int64) * size + part[:, 1], None, size**2)
    return counts.reshape(size, size)


def choose(
    counts: np.ndarray, batch_tokens: int, most: int = MOST, multiple: int = 1
) -> tuple[Shape, ...]:
    """Return the shapes that need the least padding, from small to large.

    Pairs are divided by their longer side. Of all divisions into ``most`` parts the best is found
    by dynamic programming over where the parts end.

    Args:
        counts: pairs by length of source and target, as ``histogram`` returns.
        batch_tokens: most tokens of a batch on either side (one row may have more).
        most: shapes.
        multiple: what the number of rows is divisible by.
    """
    ends = _divided(counts, most)
    sides = _longest(counts)
    found = []
    for first, last in zip((0, *ends), ends, strict=False):
        source, target = (int(side[first + 1 : last + 1].max()) for side in sides)
        rows = batch_tokens // max(source, target) // multiple * multiple
        found.append(Shape(source, target, max(rows, multiple)))
    return tuple(found)


def filled(counts: np.ndarray, shapes: tuple[Shape, ...]) -> float:
    """Return the share of tokens that is not padding where pairs fill the rows of their shapes.

    Args:
        counts: as ``histogram`` returns.
        shapes: as ``choose`` returns for them.
    """
    source, target = np.nonzero(counts)
    pairs = counts[source, target]
    ends = [max(shape.source, shape.target) for shape in shapes]
    widths = np.array([shape.source + shape.target for shape in shapes])
    padded = widths[np.searchsorted(ends, np.maximum(source, target))]
    return float((pairs * (source + target)).sum() / (pairs * padded).sum())


def plan(
    lengths: np.ndarray, shapes: tuple[Shape, ...], seed: int, epoch: int, start: int = 0
) -> Iterator[tuple[Shape, np.ndarray]]:
    """Yield the batches of one epoch; every pair stands in exactly one, in a shape it fits.

    A batch has fewer pairs than its shape has rows only at the end of the epoch.

    Args:
        lengths: ``[pairs, 2]`` tokens of source and target, end marks counted.
        shapes: as ``choose`` returns.
        seed: of the training.
        epoch: number from 0.
        start: how many of the first batches are left out.
    """
    return islice(_planned(lengths, shapes, seed, epoch), start, None)


def real_share(lengths: np.ndarray, batches: Iterable[tuple[Shape, np.ndarray]]) -> float:
    """Return the share of tokens in ``batches`` that is not padding."""
    real = padded = 0
    for shape, rows in batches:
        real += int(lengths[rows].sum(dtype=np.int64))
        padded += shape.rows * (shape.source + shape.target)
    return real / padded if padded else 1.0


def _planned(
    lengths: np.ndarray, shapes: tuple[Shape, ...], seed: int, epoch: int
) -> Iterator[tuple[Shape, np.ndarray]]:
    waiting = [np.zeros(0, np.int64) for _ in shapes]
    for number, rows in enumerate(pools(len(lengths), seed, epoch)):
        longer = lengths[rows].max(1)
        kinds = np.searchsorted([max(shape.source, shape.target) for shape in shapes], longer)
        full = []
        for kind, shape in enumerate(shapes):
            own = np.concatenate([waiting[kind], rows[kinds == kind]])
            *ready, waiting[kind] = np.split(own, range(shape.rows, len(own) + 1, shape.rows))
            full += [(shape, batch) for batch in ready]
        for i in np.random.default_rng([seed, epoch, number]).permutation(len(full)):
            yield full[i]
    yield from ((shape, rows) for shape, rows in zip(shapes, waiting, strict=True) if len(rows))


def _longest(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the longest source and target among pairs by the length of their longer side."""
    source, target = np.nonzero(counts)
    longer = np.maximum(source, target)
    found = np.zeros((2, len(counts)), np.int64)
    np.maximum.at(found[0], longer, source)
    np.maximum.at(found[1], longer, target)
    return found[0], found[1]


def _divided(counts: np.ndarray, most: int) -> tuple[int, ...]:
    """Return where the parts end, each the longer side's length of its longest pairs."""
    source, target = _longest(counts)
    size = np.arange(len(counts))
    pairs = np.zeros(len(counts), np.int64)
    np.add.at(pairs, np.maximum(size[:, None], size), counts)
    before = np.cumsum(pairs)
    # cost[k, b]: fewest padded tokens of all pairs up to length b in at most k parts.
    cost = np.full((most + 1, len(counts)), np.inf)
    begins = np.zeros((most + 1, len(counts)), np.int64)
    cost[:, 0] = 0
    for b in range(1, len(counts)):
        if not pairs[b]:
            cost[:, b], begins[:, b] = cost[:, b - 1], begins[:, b - 1]
            continue
        wide, high = (np.maximum.accumulate(side[b:0:-1])[::-1] for side in (source, target))
        part = (before[b] - before[:b]) * (wide + high)
        for k in range(1, most + 1):
            total = cost[k - 1, :b] + part
            begins[k, b] = int(np.argmin(total))
            cost[k, b] = total[begins[k, b]]
    ends, b, k = [], int(np.flatnonzero(pairs)[-1]), most
    while b > 0 and pairs[: b + 1].any():
        ends.append(int(np.flatnonzero(pairs[: b + 1])[-1]))
        b, k = int(begins[k, b]), k - 1
    return tuple(reversed(ends))
