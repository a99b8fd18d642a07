"""What is told about the data: the document of ``dataset.json``, and what a person should know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mt_trainer import divergence, schema
from mt_trainer.checks import first, total
from mt_trainer.clean import FileCount, Reject, Sample
from mt_trainer.data import Corpus
from mt_trainer.encoded import Encoded
from mt_trainer.profile import fallback
from mt_trainer.statistics import SIDES, Statistics, lengths

_ANOMALIES, _ANOMALY = 6, 200  # how many, and of how many bytes, fit into a run's status
_FALLBACK = 0.01  # share of pieces that spell a character the vocabulary lacks
_BLOCK = 1 << 14  # pairs


def text(corpus: Corpus, previous: Path | None, limit: float | None) -> dict[str, Any]:
    """Return what ``dataset.json`` says of the text itself, before anything is learned from it.

    Args:
        corpus: what was read and divided.
        previous: folder of the run before, whose statistics are compared, or None.
        limit: of the divergence from them, or None.
    """
    told = measured(corpus.statistics, corpus.where)
    before, why = divergence.earlier(previous)
    found = schema.anomalies(told["statistics"], told["schema"], before and before.get("schema"))
    return {
        "schemaVersion": 1,
        "digest": corpus.digest,
        "pairs": corpus.pairs,
        "validationPairs": corpus.validation_pairs,
        "validationHeldOut": not corpus.validation_counts,
        "testSources": len(corpus.test.fingerprints),
        "testSlices": dict(corpus.test.slices),
        "validationInTest": corpus.validation_in_test,
        "files": [file(count) for count in corpus.counts],
        "validationFiles": [file(count) for count in corpus.validation_counts],
        "testFiles": [file(count) for count in corpus.test.counts],
        **told,
        "divergence": divergence.compared(told["statistics"], before, limit)
        if before
        else {
            "checked": False,
            "why": why,
            "limit": limit,
        },
        "anomalies": shortened([*_of_rows(corpus), *found]),
    }


def measured(statistics: Statistics, where: Callable[[int], str]) -> dict[str, Any]:
    """Return statistics and the schema inferred from them.

    Args:
        statistics: of some text.
        where: names the place of a row.
    """
    document = statistics.document(where)
    expected = schema.infer(document)
    for side in SIDES:
        document[side]["otherScripts"] = schema.other_scripts(document[side], expected[side])
    return {"statistics": document, "schema": expected}


def dataset(
    corpus: Corpus,
    told: Mapping[str, Any],
    train: Encoded,
    validation: Encoded,
    profiled: Mapping[str, Any],
    vocabulary: int,
    wanted: int,
) -> dict[str, Any]:
    """Return the whole document of ``dataset.json``.

    Args:
        corpus: what was read and divided.
        told: of the text, by ``text``.
        train: what is learned from.
        validation: what is measured by.
        profiled: the document of ``profile.json``.
        vocabulary: pieces that there are.
        wanted: pieces that the recipe asks for.
    """
    tokens = _tokens(train, profiled["features"])
    found = [*_of_rows(corpus), *_of_tokens(train, tokens, vocabulary, wanted), *told["anomalies"]]
    return {
        **told,
        "pairs": train.pairs,
        "rejectedPairs": rejected(corpus, train),
        "overLongPairs": train.over_long,
        "validationPairs": validation.pairs,
        "vocabularySize": vocabulary,
        "lengths": {side: _summary(tokens[side]) for side in SIDES},
        "statistics": {**told["statistics"], "tokens": tokens},
        "anomalies": shortened(list(dict.fromkeys(found))),
    }


def rejected(corpus: Corpus, train: Encoded) -> int:
    """Return how many rows of the training files are used for nothing."""
    return sum(count.rejected.total() for count in corpus.counts) + train.over_long


def shortened(anomalies: Sequence[str]) -> list[str]:
    """Return the first few anomalies, each cut to what fits into a run's status."""
    return [text.encode()[:_ANOMALY].decode(errors="ignore") for text in anomalies[:_ANOMALIES]]


def file(count: FileCount) -> dict[str, Any]:
    """Return what was found in a file."""
    reasons = {why: count.first(why) for why in count.rejected}
    return {
        "uri": count.uri,
        "rows": count.rows,
        "rejected": dict(count.rejected),
        "first": {why: place for why, place in reasons.items() if place},
        "samples": {why: [_sample(one) for one in kept] for why, kept in count.samples.items()},
        "repaired": dict(count.repaired),
    }


def _of_rows(corpus: Corpus) -> Iterator[str]:
    told = (Reject.BROKEN, Reject.TEST_OVERLAP, Reject.RATIO, Reject.OVER_LONG)
    for why in (*told, Reject.VALIDATION_OVERLAP):
        if number := total(corpus.counts, why):
            yield f"{number} rows rejected as {why} (first: {first(corpus.counts, why)})"
    if corpus.validation_in_test:
        yield f"{corpus.validation_in_test} validation pairs have a source of the test files"


def _of_tokens(
    train: Encoded, tokens: Mapping[str, Any], vocabulary: int, wanted: int
) -> Iterator[str]:
    if train.over_long:
        yield (
            f"{train.over_long} pairs left out: a side has more tokens than "
            "training.architecture.maxTokens"
        )
    if vocabulary < wanted:
        yield (
            f"vocabulary lowered from {wanted} to {vocabulary} pieces: the training text holds no "
            "more"
        )
    for side in SIDES:
        if (share := tokens[side]["byteFallback"]) > _FALLBACK:
            yield f"{share:.1%} of the {side} tokens spell characters that the vocabulary lacks"


def _tokens(train: Encoded, features: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``profile.json`` counts, and lengths and fallback of either side."""
    counts = np.zeros((2, 1), np.int64)
    spelled = np.zeros(2, np.int64)
    for begin in range(0, train.pairs, _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        own = train.lengths[rows].astype(np.int64) - 1
        counts = np.pad(counts, ((0, 0), (0, max(0, int(own.max()) + 1 - counts.shape[1]))))
        counts += [np.bincount(side, minlength=counts.shape[1]) for side in own.T]
        spelled += fallback(train, rows).sum(0)
    features = dict(features)
    sides = {}
    for number, side in enumerate(SIDES):
        every = int((counts[number] * np.arange(counts.shape[1])).sum())
        found = lengths(counts[number], features.pop(f"{side}Length")["bounds"])
        sides[side] = {**found, "byteFallback": round(int(spelled[number]) / max(every, 1), 6)}
    return {**sides, **features}


def _summary(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in found.items() if name not in ("bounds", "counts")}


def _sample(sample: Sample) -> dict[str, Any]:
    return {name: value for name, value in asdict(sample).items() if value}
