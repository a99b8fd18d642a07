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
# Languages without spaces between words, for which BLEU's default tokens are sentences.
_TOKENIZERS: Mapping[str, str] = {"zh": "zh", "ja": "char", "th": "char", "lo": "char"}


@dataclass(frozen=True)
class Metric:
    """One metric: how sentences become rows, and sums become a score."""

    rows: Callable[[Sequence[str], Sequence[Example]], Any]
    score: Callable[[list[float]], float]
    signature: Callable[[], str] | None = None

    def statistics(self, outputs: Sequence[str], examples: Sequence[Example]) -> Statistics:
        """Return the rows of ``outputs``, the translations of ``examples``."""
        rows = self.rows(outputs, examples)
        return np.array(rows, np.float64).reshape(len(outputs), -1)

    def of(self, sums: NDArray[np.float64]) -> float:
        """Return the score of summed rows."""
        return float(self.score(sums.tolist()))


def metrics(target_language: str) -> dict[str, Metric]:
    """Return all metrics, for translations into ``target_language`` (BCP 47)."""
    tokenizer = _TOKENIZERS.get(target_language.split("-")[0].lower(), "13a")
    return {
        "chrF": _sacrebleu(CHRF()),
        "BLEU": _sacrebleu(BLEU(tokenize=tokenizer, force=True)),
        "TER": _sacrebleu(TER()),
        "LengthRatio": Metric(_lengths, _ratio),
        "EmptyFraction": Metric(_empty, _ratio),
        "CopyFraction": Metric(_copied, _ratio),
    }


def text(metric: str, value: float) -> str:
    """Return a score or a difference of scores as it is reported."""
    digits = 4 if metric in PERCENT else 6
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _sacrebleu(metric: Any) -> Metric:
    def rows(outputs: Sequence[str], examples: Sequence[Example]) -> Any:
        references = [example.reference for example in examples]
        return metric._extract_corpus_statistics(outputs, [references])

    def score(sums: list[float]) -> float:
        return float(metric._compute_score_from_stats(sums).score)

    return Metric(rows, score, lambda: str(metric.get_signature()))


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
