"""Test sentences by the length of their source: where a model is weak, and how sure that is."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mt_predictor.bootstrap import Compared, intervals
from mt_predictor.scores import Metric, Statistics
from mt_predictor.testset import Example

METRIC = "chrF"  # the one that means something of few sentences
_WORDS = (5, 10, 15, 20, 30, 40, 60)  # the most that a bin's sentences have; the last has no end
_CHARACTERS = (10, 20, 30, 45, 60, 90, 150)


@dataclass(frozen=True)
class LengthBin:
    """The sentences of one range of lengths."""

    shortest: int
    longest: int | None  # None: any
    examples: int
    score: Compared


def by_length(
    metric: Metric,
    examples: Sequence[Example],
    sides: Sequence[Statistics],
    unspaced: bool,
    confidence: float,
    seed: int,
) -> tuple[LengthBin, ...]:
    """Return the score of each range of source lengths that has sentences, the shortest first.

    Args:
        metric: ``METRIC``.
        examples: the sentences.
        sides: rows of the candidate and, if there is one, of the baseline.
        unspaced: whether characters are counted, as the source has no spaces between words.
        confidence: of the intervals.
        seed: of the resamples.
    """
    bounds = _CHARACTERS if unspaced else _WORDS
    lengths = [len(one.source) if unspaced else len(one.source.split()) for one in examples]
    places = np.searchsorted(bounds, lengths)
    found = []
    for place in range(len(bounds) + 1):
        rows: NDArray[np.intp] = np.flatnonzero(places == place)
        if not len(rows):
            continue
        chosen: list[Mapping[str, Statistics]] = [{METRIC: side[rows]} for side in sides]
        baseline = chosen[1] if len(chosen) > 1 else None
        own_seed = (seed, zlib.crc32(f"length {place}".encode()))
        score = intervals({METRIC: metric}, chosen[0], baseline, confidence, own_seed)[METRIC]
        shortest = bounds[place - 1] + 1 if place else 1
        longest = bounds[place] if place < len(bounds) else None
        found.append(LengthBin(shortest, longest, len(rows), score))
    return tuple(found)
