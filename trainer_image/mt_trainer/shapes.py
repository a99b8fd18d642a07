"""Batches of one fixed shape, for a step that is compiled once.

Short pairs share a row (packing.py). Rows are as wide as little padding takes, and no wider:
attention costs more in wider ones. Further shapes would take time to compile, and part long pairs
from the short ones that fill up their rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mt_trainer.batches import pools
from mt_trainer.packing import Packer, Pair

_ENOUGH = 0.955  # share of tokens that is not padding, for which rows are wide enough
_SAMPLE = 4096  # pairs by which a shape is judged


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


def choose(counts: np.ndarray, batch_tokens: int, multiple: int = 1) -> Shape:
    """Return the shape with the narrowest rows that are full enough, or else with the fullest.

    Args:
        counts: pairs by length of source and target, as ``histogram`` returns.
        batch_tokens: most tokens of a batch on either side (``multiple`` rows may have more).
        multiple: what the number of rows is divisible by.
    """
    shares: dict[Shape, float] = {}
    for shape in _widening(counts, batch_tokens, multiple):
        shares[shape] = filled(counts, shape)
        if shares[shape] >= _ENOUGH:
            break
    return max(shares, key=shares.__getitem__)


def filled(counts: np.ndarray, shape: Shape) -> float:
    """Return about what share of tokens is not padding where pairs are packed.

    Args:
        counts: as ``histogram`` returns.
        shape: as ``choose`` returns for them.
    """
    lengths, pairs = _listed(counts)
    total = pairs.sum()
    chance = np.random.default_rng(0)
    sample = lengths[chance.choice(len(pairs), min(total, _SAMPLE), p=pairs / total)]
    packer = Packer(shape.source, shape.target)
    closed = [packer.add((0, own, other)) for own, other in sample.tolist()]
    rows = sum(map(bool, closed)) + len(packer.rest())
    return float(sample.sum() / (rows * (shape.source + shape.target)))


def plan(
    lengths: np.ndarray, shape: Shape, seed: int, epoch: int, start: int = 0
) -> Iterator[np.ndarray]:
    """Yield the batches of one epoch; every pair stands in exactly one.

    A batch has fewer rows than its shape only at the end of the epoch.

    Args:
        lengths: ``[pairs, 2]`` tokens of source and target, end marks counted.
        shape: as ``choose`` returns.
        seed: of the training.
        epoch: number from 0.
        start: how many of the first batches are left out.

    Yields:
        pairs in the order in which ``packing.rows`` lays them.
    """
    rows = _rows(lengths, shape, seed, epoch)
    return islice(_batches(rows, shape.rows), start, None)


def real_share(lengths: np.ndarray, shape: Shape, batches: Iterable[np.ndarray]) -> float:
    """Return the share of tokens in ``batches`` that is not padding."""
    real = padded = 0
    for pairs in batches:
        real += int(lengths[pairs].sum(dtype=np.int64))
        padded += shape.rows * (shape.source + shape.target)
    return real / padded if padded else 1.0


def _rows(lengths: np.ndarray, shape: Shape, seed: int, epoch: int) -> Iterator[list[Pair]]:
    packer = Packer(shape.source, shape.target)
    for part in pools(len(lengths), seed, epoch):
        pairs = zip(part.tolist(), *lengths[part].T.tolist(), strict=True)
        yield from filter(None, map(packer.add, pairs))
    yield from packer.rest()


def _batches(rows: Iterator[list[Pair]], count: int) -> Iterator[np.ndarray]:
    while some := list(islice(rows, count)):
        yield np.array([pair for row in some for pair, _, _ in row])


def _widening(counts: np.ndarray, batch_tokens: int, multiple: int) -> Iterator[Shape]:
    """Yield shapes of fewer and wider rows; the side with fewer tokens in all is narrower."""
    lengths, pairs = _listed(counts)
    longest, tokens = lengths.max(0), pairs @ lengths
    count = max(1, batch_tokens // int(longest.max()) // multiple)
    while count:
        rows = count * multiple
        wide = np.ceil(batch_tokens // rows * tokens / tokens.max()).astype(int)
        source, target = np.maximum(longest, wide).tolist()
        yield Shape(source, target, rows)
        count -= -(-count // 5)


def _listed(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths ``[n, 2]`` that there are, and how many pairs have them."""
    source, target = np.nonzero(counts)
    return np.stack([source, target], 1), counts[source, target]
