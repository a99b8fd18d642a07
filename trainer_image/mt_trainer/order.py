"""A random order of any number of rows without a list of it: each place is computed when asked for.

A Feistel network is a bijection of a power of two whatever its round function is (Luby and Rackoff,
1988); walking its cycles until a value is below the count makes it one of any count (Black and
Rogaway, 2002).
"""

from __future__ import annotations

import numpy as np

_ROUNDS = 6
# The multipliers of SplitMix64's finalizer (Steele, Lea and Flood, 2014).
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def shuffled(places: np.ndarray, count: int, *seed: int) -> np.ndarray:
    """Return which rows stand at ``places`` of an order of ``count`` rows; each stands at one.

    Args:
        places: numbers from 0 to below ``count``.
        count: how many rows there are.
        seed: numbers from 0 that name the order.
    """
    keys = np.random.SeedSequence(seed).generate_state(_ROUNDS, np.uint64)
    bits = max(2, (count - 1).bit_length())
    rows = _enciphered(places.astype(np.uint64), keys, bits)
    while len(outside := np.flatnonzero(rows >= count)):
        rows[outside] = _enciphered(rows[outside], keys, bits)
    return rows.astype(np.int64)


def _enciphered(values: np.ndarray, keys: np.ndarray, bits: int) -> np.ndarray:
    """Return other values of as many bits, each of another value."""
    width = np.uint64(bits // 2)
    low = np.uint64((1 << bits // 2) - 1)
    high = np.uint64((1 << bits - bits // 2) - 1)
    left, right = values >> width, values & low
    for before, after in zip(keys[::2], keys[1::2], strict=True):
        left = left ^ (mixed(right, before) & high)
        right = right ^ (mixed(left, after) & low)
    return (left << width) | right


def mixed(values: np.ndarray, key: np.uint64) -> np.ndarray:
    """Return numbers of 64 bits that follow from ``values`` (uint64) and a key, and look random."""
    found = (values + key) * _FIRST  # modulo 2**64
    found = (found ^ (found >> np.uint64(32))) * _SECOND
    return found ^ (found >> np.uint64(29))
