"""Several pairs in one row, for a step that is compiled for few shapes and wastes little of them.

A row of the network then holds sentences one behind the other, none of which sees its neighbours.
"""

from __future__ import annotations

import numpy as np

_OPEN = 16  # rows that are being filled: with more hardly any space is saved
Pair = tuple[int, int, int]  # which, and its tokens of source and target, end marks counted


class Packer:
    """Rows that are being filled; each pair goes into the one that it fills best.

    Best fit in bounded space. Plain lists: so few rows are judged in less time than NumPy takes to
    begin.
    """

    def __init__(self, source: int, target: int, most: int = _OPEN) -> None:
        """Begin without a row.

        Args:
            source: tokens of a row; no pair may have more.
            target: likewise.
            most: rows that are open at once.
        """
        self._size, self._most = (source, target), most
        self._free: list[list[int]] = []
        self._held: list[list[Pair]] = []

    def add(self, pair: Pair) -> list[Pair]:
        """Take a pair in; return the row that had to be closed for it, if one had."""
        _, own, other = pair
        closed: list[Pair] = []
        best = self._best(own, other)
        if best is None:
            if len(self._free) == self._most:
                closed = self._close()
            best = len(self._free)
            self._free.append([*self._size])
            self._held.append([])
        self._held[best].append(pair)
        self._free[best][0] -= own
        self._free[best][1] -= other
        return closed

    def rest(self) -> list[list[Pair]]:
        """Return the pairs of all open rows, packed anew, long ones first."""
        left = [pair for row in self._held for pair in row]
        anew = Packer(*self._size, most=len(left))
        for pair in sorted(left, key=lambda pair: -max(pair[1:])):
            anew.add(pair)
        return anew._held

    def _best(self, own: int, other: int) -> int | None:
        best, least = None, sum(self._size) + 1
        for i, (wide, high) in enumerate(self._free):
            if own <= wide and other <= high and wide + high < least:
                best, least = i, wide + high
        return best

    def _close(self) -> list[Pair]:
        fullest = min(range(len(self._free)), key=lambda i: min(self._free[i]))
        del self._free[fullest]
        return self._held.pop(fullest)


def rows(lengths: np.ndarray, source: int, target: int) -> np.ndarray:
    """Return the row of each pair where pairs are laid in order, each row until one does not fit.

    No other way to cut that order into rows needs fewer of them.

    Args:
        lengths: ``[pairs, 2]`` tokens of source and target, end marks counted.
        source: tokens of a row.
        target: likewise.
    """
    found, row, wide, high = [], 0, source, target
    for own, other in lengths.tolist():
        if own > wide or other > high:
            row, wide, high = row + 1, source, target
        wide, high = wide - own, high - other
        found.append(row)
    return np.array(found, np.int64)
