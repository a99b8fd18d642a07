"""chrF2 of a corpus, as sacreBLEU defines it, to see what an export costs in quality.

Popović, "chrF: character n-gram F-score for automatic MT evaluation" (2015): n-grams of 1 to 6
characters without white space; precision and recall are means over n, recall weighs β = 2 times.
The scores that models are judged by come from sacreBLEU itself, in the evaluation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

_ORDERS = range(1, 7)
_BETA = 2


def score(pairs: Iterable[tuple[str, str]]) -> float:
    """Return chrF2, from 0 to 100, of (translation, reference) pairs."""
    sums = np.zeros((len(_ORDERS), 3))
    for translation, reference in pairs:
        sums += _counts("".join(translation.split()), "".join(reference.split()))
    ours, theirs, shared = sums[(sums[:, :2] > 0).all(1)].T
    if not len(ours):
        return 0.0
    precision, recall = (shared / ours).mean(), (shared / theirs).mean()
    if not precision + recall:
        return 0.0
    return float(100 * (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall))


def _counts(translation: str, reference: str) -> np.ndarray:
    """Return for each n the n-grams of translation and reference, and those in both."""
    rows = []
    for order in _ORDERS:
        ours, theirs = _ngrams(translation, order), _ngrams(reference, order)
        rows.append((ours.total(), theirs.total(), (ours & theirs).total()))
    return np.array(rows, float)


def _ngrams(text: str, order: int) -> Counter[str]:
    return Counter(text[i : i + order] for i in range(len(text) - order + 1))
