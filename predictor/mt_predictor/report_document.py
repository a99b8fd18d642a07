"""``report.json``: all that was measured, for programs, and all that the page shows."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from mt_contract.artifact import Manifest
from mt_contract.resource import Source
from mt_predictor import lengths, scores
from mt_predictor.bootstrap import RESAMPLES, Compared, Interval
from mt_predictor.comparison import Measured
from mt_predictor.lengths import LengthBin

SENTENCES = 10  # at each end, and at random
MAX_TEXT = 600  # characters of a sentence; all of it stands in translations.jsonl
_PACKAGES = (
    "ctranslate2",
    "tensorflow-cpu",
    "tensorflow-text",
    "sentencepiece",
    "sacrebleu",
    "numpy",
)


def measured(found: Measured, source_language: str, seed: int) -> dict[str, Any]:
    """Return what an evaluation measured, and the sentences that are shown."""
    unit = "characters" if scores.unspaced(source_language) else "words"
    bins = [_bin(one) for one in found.by_length]
    return {
        "resamples": RESAMPLES,
        "slices": found.slices,
        "parts": [
            {
                "slice": name,
                "examples": part.examples,
                "metrics": {m: compared(m, one) for m, one in part.metrics.items()},
            }
            for name, part in found.parts.items()
        ],
        "lengths": {"metric": lengths.METRIC, "unit": unit, "bins": bins},
        "sentences": _sentences(found, seed),
    }


def model(manifest: Manifest) -> dict[str, Any]:
    """Return what an artifact says of itself."""
    told = {
        "run": manifest.run,
        "parentRun": manifest.parent_run,
        "parentDigest": manifest.parent_digest,
        "recipeDigest": manifest.recipe_digest,
        "datasetDigest": manifest.dataset_digest,
        "versions": dict(manifest.versions),
    }
    return {key: value for key, value in told.items() if value}


def versions() -> dict[str, str]:
    """Return the versions of what decides translations and scores."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):  # TensorFlow, in most images
            found[name] = version(name)
    return found


def compared(metric: str, found: Compared) -> dict[str, Any]:
    """Return one metric's numbers as they are reported."""
    sides = {"candidate": found.candidate, "baseline": found.baseline, "delta": found.delta}
    return {side: _interval(metric, one) for side, one in sides.items() if one is not None}


def _interval(metric: str, one: Interval) -> dict[str, str]:
    told = {"value": one.value, "low": one.low, "high": one.high}
    return {name: scores.text(metric, value) for name, value in told.items()}


def _bin(one: LengthBin) -> dict[str, Any]:
    told = {"shortest": one.shortest, "longest": one.longest, "examples": one.examples}
    return told | compared(lengths.METRIC, one.score)


def _sentences(found: Measured, seed: int) -> dict[str, Any]:
    """Return the sentences at both ends, by their change or else by their score, and some more."""
    ours, theirs = found.sentence_chrf, found.baseline_sentence_chrf
    worth = ours if theirs is None else ours - theirs
    order = np.argsort(worth, kind="stable")
    shown = min(SENTENCES, (len(order) + 1) // 2)
    low, high = order[:shown], order[::-1][:shown]
    if theirs is not None:  # what did not change got neither better nor worse
        low, high = low[worth[low] < 0], high[worth[high] > 0]
    chance = np.random.default_rng(seed)
    drawn = chance.choice(len(order), min(SENTENCES, len(order)), replace=False)
    return {
        "by": "score" if theirs is None else "change",
        "low": [_sentence(found, int(number)) for number in low],
        "high": [_sentence(found, int(number)) for number in high],
        "random": [_sentence(found, int(number)) for number in np.sort(drawn)],
    }


def _sentence(found: Measured, number: int) -> Mapping[str, Any]:
    example = found.examples[number]
    told: dict[str, Any] = {
        "number": number + 1,  # its line in translations.jsonl
        "slice": example.slice,
        "source": clipped(example.source),
        "reference": clipped(example.reference),
        "translation": clipped(found.outputs[number]),
        "score": scores.text(lengths.METRIC, float(found.sentence_chrf[number])),
    }
    theirs: Sequence[str] | None = found.baseline_outputs
    if theirs is not None and found.baseline_sentence_chrf is not None:
        before = float(found.baseline_sentence_chrf[number])
        told["baseline"] = clipped(theirs[number])
        told["baselineScore"] = scores.text(lengths.METRIC, before)
    return told


def test_files(sources: Sequence[Source], digests: Sequence[str]) -> list[dict[str, Any]]:
    """Return the test files, as anybody may read of them."""
    told = ({"uri": shown(one.uri), "slice": one.slice} for one in sources)
    return [one | {"digest": found} for one, found in zip(told, digests, strict=False)]


def shareable(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``MT_EVALUATION`` without what its URIs may hold of passwords."""
    places = ("uri", "targetUri")
    test = [
        {key: shown(value) if key in places else value for key, value in one.items()}
        for one in evaluation["test"]
    ]
    return {**evaluation, "test": test}


def shown(uri: str) -> str:
    """Return ``uri`` without user, password and query: a signed URL is as good as a password."""
    scheme, mark, rest = uri.partition("://")
    if not mark:
        return uri
    rest, query, _ = rest.partition("?")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{'?…' if query else ''}"


def clipped(text: str) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
