"""What an experiment tracker is told of a training besides its metrics: parameters and tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mt_contract import names
from mt_trainer.config import Job

# By which every attempt at a training finds the same run: a training has a folder of its own.
IDENTITY = "translation.identity"
_UNUSABLE = re.compile(r"[^\w.:/ -]", re.ASCII)  # in a name, by MLflow's rules
_NAME, _PARAMETER, _TAG = 250, 500, 5000  # characters: what every MLflow server takes


def parameters(written: Mapping[str, Any]) -> dict[str, str]:
    """Return a recipe's fields by path, such as ``training.optimizer.learningRate``."""
    return {
        name[:_NAME]: names.canonical(value).decode().strip('"')[:_PARAMETER]
        for name, value in _leaves("", written)
    }


def tags(job: Job) -> dict[str, str]:
    """Return what is known of a training before it begins, and the user's and operator's tags."""
    languages = (job.recipe.source_language, job.recipe.target_language)
    known = of_run(job.uri, job.run, languages, job.digest) | {
        "translation.image": job.recipe.training.image,
        "translation.nodes": job.node.count if job.node.count > 1 else None,
    }
    if job.parent:
        known["translation.parentRun"] = job.parent.run
        known["translation.parentDigest"] = job.parent.digest
    return bounded(known | dict(job.tracking.tags if job.tracking else {}))


def of_run(uri: str, run: str, languages: tuple[str, str], digest: str) -> dict[str, Any]:
    """Return what is known of any run: its folder, name, languages and its recipe's digest."""
    return {
        IDENTITY: names.short(uri, digest, length=32),
        "translation.folder": uri,
        "translation.run": run,
        "translation.languages": "-".join(languages),
        "translation.recipeDigest": digest,
        "mlflow.runName": run,
        "mlflow.source.type": "JOB",
        "mlflow.source.name": "mt-trainer",
    }


def of_data(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what dataset.json tells in a few words."""
    return bounded(
        {
            "translation.dataDigest": document["digest"],
            "translation.pairs": document["pairs"],
            "translation.rejectedPairs": document["rejectedPairs"],
            "translation.vocabularySize": document["vocabularySize"],
        }
    )


def of_artifact(artifact: Mapping[str, Any], card: str) -> dict[str, str]:
    """Return where the model is, by reference, and the model card as the run's description."""
    return bounded(
        {
            "translation.artifactUri": artifact["uri"],
            "translation.artifactDigest": artifact["digest"],
            "translation.artifactBytes": artifact["sizeBytes"],
            "mlflow.note.content": card,
        }
    )


def of_failure(reason: str, message: str) -> dict[str, str]:
    """Return why there is no model."""
    return bounded({"translation.reason": reason, "translation.message": message})


def bounded(known: Mapping[str, Any]) -> dict[str, str]:
    """Return as text what is known, cut to what a server takes."""
    return {
        _UNUSABLE.sub("_", name)[:_NAME]: str(value)[:_TAG]
        for name, value in known.items()
        if value is not None
    }


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, item)
    elif value is not None:
        yield path, value
