"""The sentences by which an artifact's exports are compared before they are published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from mt_trainer.data import Corpus

_SENTENCES = 2000  # at most; the comparison's time is bounded as well
_PAIRS = 500


@dataclass(frozen=True)
class Samples:
    """What the exports are asked.

    Attributes:
        sentences: that both translate, and must translate alike.
        pairs: source and reference, by which the cost of quantising is measured.
        seconds: that each comparison may take; it ends with the batch that passes them.
    """

    sentences: Sequence[str]
    pairs: Sequence[tuple[str, str]] = ()
    seconds: float = 120.0


def of(corpus: Corpus) -> Samples:
    """Return test sentences, or validation's where there are none, and pairs of validation."""
    with corpus.validation.open(encoding="utf-8", newline="\n") as lines:
        rows = [line.rstrip("\n").split("\t") for line in islice(lines, _SENTENCES)]
    pairs = [(source, target) for source, target in rows]
    sentences = corpus.test.sentences or [source for source, _ in pairs]
    return Samples(sentences[:_SENTENCES], pairs[:_PAIRS])
