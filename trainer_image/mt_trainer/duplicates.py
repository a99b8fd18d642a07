"""What stands for the first time, among more values than memory should hold.

Values are divided by a hash into parts on disk (Grace hash partitioning); equal ones meet in one
part, and a part is small enough to be sorted in memory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mt_trainer.order import mixed

_PART = 1 << 17  # values of a part, and of a block that is divided at once
_RECORD = np.dtype([("value", np.uint64), ("place", np.int64)])


def first_of_each(values: np.ndarray, path: Path) -> np.ndarray:
    """Return a mask of the places where a value stands for the first time.

    Args:
        values: ``[n]`` of 64 bits.
        path: a file that the mask is kept in; another beside it comes and goes.
    """
    if not len(values):
        return np.zeros(0, bool)
    records, ends = _divided(values, path.with_suffix(".parts"))
    mask = np.memmap(path, bool, "w+", shape=len(values))
    for first, last in zip((0, *ends[:-1]), ends, strict=True):
        part = records[first:last]
        # Within a part places ascend, and np.unique returns the first of equals.
        mask[part["place"][np.unique(part["value"], return_index=True)[1]]] = True
    path.with_suffix(".parts").unlink()
    return mask


def _divided(values: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return all values with their places, part by part, and where the parts end."""
    parts = -(-len(values) // _PART)
    blocks = range(0, len(values), _PART)
    sizes = np.zeros(parts, np.int64)
    for first in blocks:
        sizes += np.bincount(_part(values[first : first + _PART], parts), minlength=parts)
    ends = np.cumsum(sizes)
    free = ends - sizes  # where the next value of each part goes
    records = np.memmap(path, _RECORD, "w+", shape=len(values))
    for first in blocks:
        block = values[first : first + _PART]
        part = _part(block, parts)
        order = np.argsort(part, kind="stable")
        sizes = np.bincount(part, minlength=parts)
        places = np.arange(len(block)) + np.repeat(free - (np.cumsum(sizes) - sizes), sizes)
        records["value"][places] = block[order].view(np.uint64)
        records["place"][places] = first + order
        free += sizes
    return records, ends


def _part(values: np.ndarray, parts: int) -> np.ndarray:
    # Mixed anew: the values may be hashes whose low bits are alike.
    return (mixed(values.view(np.uint64), np.uint64(0)) % np.uint64(parts)).astype(np.int64)
