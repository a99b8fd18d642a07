"""Corpus scores as sums over sentences: sacreBLEU's own, and four that watch for broken output.

Each metric is a row of numbers a sentence and a function of the rows' sum. So scores of any slice
and of any resample cost one addition, and are exactly what sacreBLEU says of those sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from mt_predictor.testset import Example

Statistics = NDArray[np.float64]  # [sentences, numbers of the metric]
METRICS = ("chrF", "BLEU", "TER", "LengthRatio", "EmptyFraction", "CopyFraction")
PERCENT = frozenset({"chrF", "BLEU", "TER"})
_BETA = 2  # of chrF2: how much more recall weighs
_AT_ONCE = 5000  # sentences whose n-grams sacreBLEU holds at a time
# Languages without spaces between words, for which BLEU's default tokens are sentences.
_TOKENIZERS: Mapping[str, str] = {"zh": "zh", "ja": "char", "th": "char", "lo": "char"}


@dataclass(frozen=True)
class Metric:
    """One metric: how sentences become rows, and sums become a score."""

    rows: Callable[[Sequence[str], Sequence[Example]], Any]
    score: Callable[[list[float]], float]
    signature: Callable[[], str] | None = None
    # The same score of many sums at once, [n, numbers] to [n]; NaN where ``score`` has to tell.
    scores: Callable[[Statistics], Statistics] | None = None

    def statistics(self, outputs: Sequence[str], examples: Sequence[Example]) -> Statistics:
        """Return the rows of ``outputs``, the translations of ``examples``."""
        rows = self.rows(outputs, examples)
        return np.array(rows, np.float64).reshape(len(outputs), -1)

    def of(self, sums: NDArray[np.float64]) -> float:
        """Return the score of summed rows."""
        return float(self.score(sums.tolist()))

    def of_each(self, sums: Statistics) -> Statistics:
        """Return the score of each row of ``sums``, [n, numbers] to [n]: what ``of`` says of it."""
        found = self.scores(sums) if self.scores else np.full(len(sums), np.nan)
        for number in np.flatnonzero(np.isnan(found)):
            found[number] = self.of(sums[number])
        return found


def metrics(target_language: str) -> dict[str, Metric]:
    """Return all metrics, for translations into ``target_language`` (BCP 47)."""
    tokenizer = _TOKENIZERS.get(target_language.split("-")[0].lower(), "13a")
    return {
        "chrF": _sacrebleu(CHRF(), _chrf),
        "BLEU": _sacrebleu(BLEU(tokenize=tokenizer, force=True), _bleu),
        "TER": _sacrebleu(TER(), _ter),
        "LengthRatio": Metric(_lengths, _ratio, scores=_ratios),
        "EmptyFraction": Metric(_empty, _ratio, scores=_ratios),
        "CopyFraction": Metric(_copied, _ratio, scores=_ratios),
    }


def unspaced(language: str) -> bool:
    """Return whether words are written without spaces between them in ``language`` (BCP 47)."""
    return language.split("-")[0].lower() in _TOKENIZERS


def text(metric: str, value: float) -> str:
    """Return a score or a difference of scores as it is reported."""
    digits = 4 if metric in PERCENT else 6
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _sacrebleu(metric: Any, scores: Callable[[Statistics], Statistics] | None = None) -> Metric:
    def rows(outputs: Sequence[str], examples: Sequence[Example]) -> Any:
        found: list[Any] = []
        for begin in range(0, len(outputs), _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            references = [example.reference for example in examples[some]]
            found += metric._extract_corpus_statistics(outputs[some], [references])
        return found

    def score(sums: list[float]) -> float:
        return float(metric._compute_score_from_stats(sums).score)

    return Metric(rows, score, lambda: str(metric.get_signature()), scores)


def _chrf(sums: Statistics) -> Statistics:
    """Return chrF2 of each row: of each order, what output and reference have, and share."""
    ours, theirs, shared = np.moveaxis(sums.reshape(len(sums), -1, 3), 2, 0)  # [n, orders]
    counted = (ours > 0) & (theirs > 0)
    orders = np.maximum(counted.sum(axis=1), 1)
    precision = (shared / np.where(counted, ours, np.inf)).sum(axis=1) / orders
    recall = (shared / np.where(counted, theirs, np.inf)).sum(axis=1) / orders
    weighed = _BETA**2 * precision + recall
    some = weighed > 0
    score = 100 * (1 + _BETA**2) * precision * recall / np.where(some, weighed, 1)
    return np.where(some, score, 0.0)


def _bleu(sums: Statistics) -> Statistics:
    """Return BLEU of each row; NaN where an order has no match, which is smoothed."""
    length, reference, correct, total = sums[:, 0], sums[:, 1], sums[:, 2:6], sums[:, 6:10]
    some: NDArray[np.bool_] = np.all(correct > 0, axis=1)
    shares = np.where(some[:, None], correct, 1) / np.where(some[:, None], total, 1)
    brevity = np.exp(np.minimum(0, 1 - reference / np.where(some, length, 1)))
    return np.where(some, 100 * brevity * np.exp(np.log(shares).mean(axis=1)), np.nan)


def _ter(sums: Statistics) -> Statistics:
    """Return TER of each row; NaN where there is no reference to edit into."""
    edits, reference = sums.T
    return np.where(reference > 0, 100 * edits / np.where(reference > 0, reference, 1), np.nan)


def _lengths(outputs: Sequence[str], examples: Sequence[Example]) -> Any:
    """Characters, which mean the same in every language."""
    pairs = zip(outputs, examples, strict=True)
    return [(len(output), len(example.reference)) for output, example in pairs]


def _empty(outputs: Sequence[str], _: Sequence[Example]) -> Any:
    return [(not output.strip(), 1) for output in outputs]


def _copied(outputs: Sequence[str], examples: Sequence[Example]) -> Any:
    pairs = zip(outputs, examples, strict=True)
    return [(output.split() == example.source.split(), 1) for output, example in pairs]


def _ratio(sums: list[float]) -> float:
    return sums[0] / sums[1] if sums[1] else 0.0


def _ratios(sums: Statistics) -> Statistics:
    some = sums[:, 1] > 0
    return np.where(some, sums[:, 0] / np.where(some, sums[:, 1], 1), 0.0)
