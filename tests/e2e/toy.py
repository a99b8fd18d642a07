"""A language small enough to be learned in seconds: the corpus and the model of the tests."""

from __future__ import annotations

import random
from typing import Any

NOUNS = (
    "gato:cat cavalo:horse livro:book menino:boy carro:car barco:boat navio:ship lobo:wolf "
    "peixe:fish rato:mouse vizinho:neighbour pintor:painter soldado:soldier campo:field rio:river"
)
VERBS = "vê:sees procura:seeks pinta:paints perde:loses compra:buys guarda:keeps lava:washes"
ADJECTIVES = "branco:white preto:black velho:old novo:new pequeno:small verde:green rico:rich"
ADVERBS = "hoje:today sempre:always agora:now cedo:early"


def _pairs(words: str) -> list[tuple[str, str]]:
    return [(word.split(":")[0], word.split(":")[1]) for word in words.split()]


def sentence(rng: random.Random) -> tuple[str, str]:
    """Return one sentence and its translation; the adjective changes its place."""
    verb, adverb = rng.choice(_pairs(VERBS)), rng.choice(_pairs(ADVERBS))
    subject, thing = rng.choice(_pairs(NOUNS)), rng.choice(_pairs(NOUNS))
    adjective = rng.choice(_pairs(ADJECTIVES))
    return (
        f"o {subject[0]} {adjective[0]} {verb[0]} o {thing[0]} {adverb[0]}",
        f"the {adjective[1]} {subject[1]} {verb[1]} the {thing[1]} {adverb[1]}",
    )


def corpus(train: int = 2000, held_out: int = 150) -> dict[str, bytes]:
    """Return the files of a corpus; no sentence stands in two of them."""
    rng = random.Random(7)
    unique = dict.fromkeys(sentence(rng) for _ in range(4 * (train + 2 * held_out)))
    pairs = list(unique)[: train + 2 * held_out]
    trained = pairs[2 * held_out :]
    half = len(trained) // 2
    moved = [target for _, target in trained[half:] + trained[:half]]
    return {
        "toy/train.tsv": tsv(trained),
        "toy/train-misaligned.tsv": tsv(
            [(source, target) for (source, _), target in zip(trained, moved, strict=True)]
        ),
        "toy/validation.tsv": tsv(pairs[:held_out]),
        "toy/test.tsv": tsv(pairs[held_out : 2 * held_out]),
    }


def tsv(pairs: list[tuple[str, str]]) -> bytes:
    """Return one pair a line."""
    return "".join(f"{source}\t{target}\n" for source, target in pairs).encode()


def model(name: str, train: str = "toy/train.tsv", **changes: Any) -> dict[str, Any]:
    """Return a TranslationModel that is trained in seconds; ``changes`` replace parts of spec."""
    spec: dict[str, Any] = {
        "sourceLanguage": "pt",
        "targetLanguage": "en",
        "storage": {"uri": f"pvc://models/{name}"},
        "data": data(train),
        "training": {
            "architecture": {
                "layers": 1,
                "modelDimension": 64,
                "feedForwardDimension": 128,
                "heads": 4,
                "dropout": "0",
                "maxTokens": 32,
            },
            "vocabulary": {"size": 400},
            "optimizer": {"learningRate": "0.005", "warmupSteps": 100, "batchTokens": 512},
            "budget": {"maxEpochs": 4},
            "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "4Gi"}},
        },
        "evaluation": {"gates": [{"name": "quality", "metric": "chrF", "min": "70"}]},
        "serving": {
            "beamSize": 1,
            "resources": {
                "requests": {"cpu": "100m", "memory": "256Mi"},
                "limits": {"memory": "1Gi"},
            },
        },
        "rollout": {"scaleDownDelay": "5s", "steps": [{"setWeight": 100}]},
    }
    return {
        "apiVersion": "translation.kubeflow.org/v1alpha1",
        "kind": "TranslationModel",
        "metadata": {"name": name},
        "spec": spec | changes,
    }


def data(train: str) -> dict[str, Any]:
    """Return the data of a model that trains on a file of the claim ``corpora``."""
    return {
        "train": [{"uri": f"pvc://corpora/{train}"}],
        "validation": [{"uri": "pvc://corpora/toy/validation.tsv"}],
        "test": [{"uri": "pvc://corpora/toy/test.tsv"}],
    }
