"""A made-up language, files of it, and recipes small enough to train in seconds."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mt_contract import recipe
from mt_contract.codec import from_json
from mt_contract.defaults import Images, merge
from mt_contract.resource import Recipe
from mt_trainer import encoded, tokenizer
from mt_trainer.encoded import Encoded

WORDS = dict(
    zip(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        ["nulo", "unu", "du", "tri", "kvar", "kvin", "ses", "sep", "ok", "naŭ"],
        strict=True,
    )
)
TRAINING: Mapping[str, Any] = {
    "architecture": {
        "layers": 1,
        "modelDimension": 32,
        "feedForwardDimension": 64,
        "heads": 2,
        "maxTokens": 24,
    },
    "vocabulary": {"size": 320},
    "optimizer": {"learningRate": "0.01", "warmupSteps": 20, "batchTokens": 256},
    "budget": {"maxEpochs": 2},
}


def pairs(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """Return different sentences of number words, each with its translation."""
    chance = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        words = [chance.choice(list(WORDS)) for _ in range(chance.randint(2, 6))]
        found[" ".join(words)] = " ".join(WORDS[word] for word in words)
    return list(found.items())


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    """Write rows as TSV."""
    path.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    return path


def spec(over: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a model's spec: 300 pairs in train.tsv, with what ``over`` changes."""
    base = {
        "sourceLanguage": "en",
        "targetLanguage": "eo",
        "data": {"train": [{"uri": "train.tsv"}], "checks": {"minPairs": 10}},
        "training": TRAINING,
    }
    return merge(base, over or {})


def resolved(over: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the resolved recipe as JSON, as a Job is given it."""
    return recipe.resolved(spec(over), Images(trainer="trainer:1", predictor="predictor:1"))


def decoded(over: Mapping[str, Any] | None = None) -> Recipe:
    """Return the same as its view."""
    return from_json(Recipe, resolved(over))


def environment(out: Path, over: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return a Job's environment; train.tsv stands beside ``out``."""
    train = {"data": {"train": [{"uri": str(out.parent / "train.tsv")}]}}
    written = resolved(merge(train, over or {}))
    return {"MT_RECIPE": json.dumps(written), "MT_RUN": "pt-en-1", "MT_OUTPUT": str(out)}


def recipe_file(folder: Path, over: Mapping[str, Any] | None = None) -> Path:
    """Write recipe.yaml and its train.tsv into ``folder``."""
    write(folder / "train.tsv", pairs(300))
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(spec(over)), encoding="utf-8")
    return path


def text(folder: Path, count: int = 120, seed: int = 1) -> tuple[Encoded, bytes]:
    """Return tokenised pairs and their vocabulary."""
    path = write(folder / f"text-{seed}.tsv", pairs(count, seed))
    model = tokenizer.train(path, decoded().training.vocabulary, 1)
    return encoded.encode(path, tokenizer.load(model), 24, folder / f"tokens-{seed}"), model
