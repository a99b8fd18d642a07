"""What is told about the data: ``dataset.json`` and its anomalies."""

from __future__ import annotations

from typing import Any

import numpy as np

from mt_trainer.clean import FileCount, Reject
from mt_trainer.data import Corpus
from mt_trainer.encoded import Encoded

_ANOMALIES, _ANOMALY = 6, 200  # how many, and of how many bytes, fit into a run's status
_PERCENTILES = (50, 95, 99)


def dataset(
    corpus: Corpus, train: Encoded, validation: Encoded, vocabulary: int, wanted: int
) -> dict[str, Any]:
    """Return the document of ``dataset.json``.

    Args:
        corpus: what was read and divided.
        train: what is learned from.
        validation: what is measured by.
        vocabulary: pieces that there are.
        wanted: pieces that the recipe asks for.
    """
    return {
        "schemaVersion": 1,
        "digest": corpus.digest,
        "pairs": train.pairs,
        "rejectedPairs": rejected(corpus, train),
        "overLongPairs": train.over_long,
        "validationPairs": validation.pairs,
        "validationHeldOut": not corpus.validation_counts,
        "testSources": len(corpus.test.fingerprints),
        "vocabularySize": vocabulary,
        "lengths": {"source": _lengths(train, 0), "target": _lengths(train, 1)},
        "files": [_file(count) for count in corpus.counts],
        "validationFiles": [_file(count) for count in corpus.validation_counts],
        "anomalies": anomalies(corpus, train, vocabulary, wanted),
    }


def rejected(corpus: Corpus, train: Encoded) -> int:
    """Return how many rows of the training files are used for nothing."""
    return sum(count.rejected.total() for count in corpus.counts) + train.over_long


def anomalies(corpus: Corpus, train: Encoded, vocabulary: int, wanted: int) -> list[str]:
    """Return what a person should know of the data, in a few short sentences."""
    found = []
    for why in (Reject.BROKEN, Reject.TEST_OVERLAP, Reject.RATIO, Reject.OVER_LONG):
        number = sum(count.rejected[why] for count in corpus.counts)
        if number:
            first = next(count.first[why] for count in corpus.counts if why in count.first)
            found.append(f"{number} rows rejected as {why} (first: {first})")
    if train.over_long:
        found.append(
            f"{train.over_long} pairs left out: a side has more tokens than "
            "training.architecture.maxTokens"
        )
    if vocabulary < wanted:
        found.append(
            f"vocabulary lowered from {wanted} to {vocabulary} pieces: the training text holds no "
            "more"
        )
    return [text.encode()[:_ANOMALY].decode(errors="ignore") for text in found[:_ANOMALIES]]


def _lengths(encoded: Encoded, side: int) -> dict[str, float]:
    lengths = encoded.lengths[:, side] - 1
    middle = {f"p{p}": float(np.percentile(lengths, p)) for p in _PERCENTILES}
    return {"mean": round(float(lengths.mean()), 2), **middle, "max": int(lengths.max())}


def _file(count: FileCount) -> dict[str, Any]:
    return {
        "uri": count.uri,
        "rows": count.rows,
        "rejected": dict(count.rejected),
        "first": dict(count.first),
    }
