"""Made-up evaluations for the report: a little language, two systems that make mistakes in it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from mt_predictor import report_document, training_files
from mt_predictor.comparison import Measured, measure
from mt_predictor.settings import Asked, EvaluationSettings
from mt_predictor.testset import Example

# Word by word in both languages, so that every made-up sentence has its translation.
_NOUNS = (
    ("barco", "boat"),
    ("gato", "cat"),
    ("rio", "river"),
    ("velho", "old man"),
    ("livro", "book"),
    ("vizinho", "neighbour"),
    ("comboio", "train"),
    ("jardim", "garden"),
    ("mapa", "map"),
    ("sino", "bell"),
)
_VERBS = (
    ("atravessa", "crosses"),
    ("procura", "looks for"),
    ("esquece", "forgets"),
    ("espera", "waits for"),
    ("desenha", "draws"),
    ("ouve", "hears"),
)
_PLACES = (
    ("depois da chuva", "after the rain"),
    ("junto ao mar", "by the sea"),
    ("todas as manhãs", "every morning"),
    ("sem dizer nada", "without a word"),
    ("antes de anoitecer", "before nightfall"),
    ("com muita calma", "quite calmly"),
)
GATES = [
    {"name": "quality", "metric": "chrF", "rule": "min 60"},
    {"name": "no-regression", "metric": "chrF", "rule": "minDelta -0.5"},
    {"name": "legal", "metric": "BLEU", "rule": "min 75", "slice": "legal"},
    {"name": "not-empty", "metric": "EmptyFraction", "rule": "max 0.001"},
    {"name": "medical", "metric": "chrF", "rule": "min 40", "slice": "medical"},
]


def sentence(chance: random.Random, longest: int) -> tuple[str, str]:
    """Return a made-up sentence of at most so many clauses, and its translation."""
    clauses = []
    for _ in range(chance.randint(1, longest)):
        subject, verb, other, place = map(chance.choice, (_NOUNS, _VERBS, _NOUNS, _PLACES))
        clauses.append(
            (f"o {subject[0]} {verb[0]} o {other[0]} {place[0]}",
             f"the {subject[1]} {verb[1]} the {other[1]} {place[1]}")
        )  # fmt: skip
    source, target = (", e ".join(c[0] for c in clauses), ", and ".join(c[1] for c in clauses))
    return f"{source.capitalize()}.", f"{target.capitalize()}."


def spoilt(text: str, share: float, chance: random.Random) -> str:
    """Return a translation with mistakes, more of them towards the end of a long sentence."""
    words = text.split()
    found = []
    for place, word in enumerate(words):
        if chance.random() >= share * (0.6 + place / 25):
            found.append(word)
        elif chance.random() < 0.6:
            found.append(chance.choice(_NOUNS)[1])
    return " ".join(found)


def measured(count: int, seed: int = 1, baseline: bool = True, longest: int = 3) -> Measured:
    """Return the measurement of a made-up test set."""
    chance = random.Random(seed)
    pairs = [sentence(chance, longest) for _ in range(count)]
    slices = [("general", "legal", "news")[number % 7 % 3] for number in range(count)]
    examples = [Example(*pair, part) for pair, part in zip(pairs, slices, strict=True)]
    asked = EvaluationSettings((), "0.95", seed, (Asked("chrF"), Asked("BLEU", "legal")))
    return measure(
        examples,
        [spoilt(one.reference, 0.15, chance) for one in examples],
        [spoilt(one.reference, 0.16, chance) for one in examples] if baseline else None,
        asked,
        0.95,
        ("pt", "en"),
    )


def document(found: Measured, folder: Path | None = None, **changes: Any) -> dict[str, Any]:
    """Return the report of a measurement; ``folder`` is that of a run, if there is one."""
    digest = "sha256:" + "4c1f90ab" * 8
    told: dict[str, Any] = {
        "schemaVersion": 2,
        "inputs": digest,
        "run": "pt-en-b81qz",
        "artifact": {"uri": "pvc://models/pt-en/pt-en-b81qz/model", "digest": digest},
        "engine": {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4},
        "confidence": "0.95",
        "gates": GATES,
        "languages": {"source": "pt", "target": "en"},
        "model": {"recipeDigest": digest, "datasetDigest": digest, "versions": {"keras": "3.12.0"}},
        "versions": report_document.versions(),
        "test": [{"uri": "pvc://corpora/test.tsv", "slice": None, "digest": digest}],
        "evaluation": {"test": [{"uri": "pvc://corpora/test.tsv"}], "confidence": "0.95"},
        "brokenRows": {"count": 0, "first": []},
        "truncatedTranslations": 1,
        **report_document.measured(found, "pt", 1),
        "attention": [attention()],
        "learning": training_files.learning([folder]) if folder else None,
        "data": training_files.dataset([folder], folder / "model") if folder else None,
        "result": {
            "scores": dict(found.scores),
            "comparisons": [],
            "signatures": dict(found.signatures),
            "examples": len(found.examples),
        },
    }
    if found.baseline_outputs is not None:
        other = {"run": "pt-en-7h2xk", "digest": "sha256:" + "9ad01e37" * 8}
        told["baseline"] = told["artifact"] | {"engine": told["engine"]} | other
    return told | changes


def attention() -> dict[str, Any]:
    """Return how one sentence might be looked at."""
    source = ["▁O", "▁gato", "▁ouve", "▁o", "▁si", "no", ".", "</s>"]
    target = ["▁The", "▁cat", "▁hears", "▁the", "▁b", "ell", "."]
    raw = [[math.exp(-((x - y) ** 2)) for x in range(8)] for y in range(7)]
    weights = [[round(one / sum(row), 3) for one in row] for row in raw]
    return {
        "text": "O gato ouve o sino.",
        "translation": "The cat hears the bell.",
        "source": source,
        "target": target,
        "weights": weights,
    }


def run_folder(folder: Path) -> Path:
    """Write what a training leaves beside its model."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(2)
    lines = []
    known = 6.1
    for step in range(50, 10050, 50):
        loss = 1.6 + 4.5 * math.exp(-step / 1500) + chance.gauss(0, 0.04)
        if step % 500 == 0:
            known = 1.9 + 4.2 * math.exp(-step / 1400) + max(0, step - 7500) / 30000
        lines.append(
            {"epoch": 1 + step // 500, "step": step, "loss": loss, "validationLoss": known}
        )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    bounds = [1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128]
    spread = [4, 30, 300, 900, 4100, 9100, 16000, 14200, 9000, 4800, 2100, 700, 160, 20, 3]
    told = {
        "schemaVersion": 1,
        "digest": "sha256:" + "0badcafe" * 8,
        "pairs": 65952,
        "rejectedPairs": 3151,
        "overLongPairs": 14,
        "validationPairs": 3298,
        "validationHeldOut": True,
        "vocabularySize": 8000,
        "lengths": {
            "source": {"mean": 8.31, "p50": 7, "p95": 16, "p99": 24, "max": 96},
            "target": {"mean": 8.02, "p50": 7, "p95": 15, "p99": 22, "max": 91},
        },
        "files": [
            {"uri": "pvc://corpora/train.tsv", "rows": 69117,
             "rejected": {"Duplicate": 2410, "TestOverlap": 606, "Ratio": 121, "Broken": 14}}
        ],
        "histograms": {
            "sourceLength": {"bounds": bounds, "counts": spread},
            "targetLength": {"bounds": bounds, "counts": [*spread[1:], 0]},
        },
        "anomalies": ["606 rows rejected as TestOverlap (first: train.tsv line 1204)"],
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(told))
    return folder
