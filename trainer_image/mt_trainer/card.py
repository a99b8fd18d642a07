"""``MODEL_CARD.md``: what a model is, where it comes from, and how to use it."""

from __future__ import annotations

from typing import Any

from mt_trainer.checkpoint import Position
from mt_trainer.config import Job


def text(job: Job, document: dict[str, Any], position: Position, versions: dict[str, str]) -> str:
    """Return the text of MODEL_CARD.md."""
    training = job.recipe.training
    size = training.architecture
    pair = f"{job.recipe.source_language} to {job.recipe.target_language}"
    files = "\n".join(f"- `{file['uri']}`: {file['rows']:,} rows" for file in document["files"])
    notes = "\n".join(f"- {text}" for text in document["anomalies"]) or "- none"
    best = "" if position.best is None else f"{position.best:.4f}"
    held_out = " (held out from training)" if document["validationHeldOut"] else ""
    return f"""# Translation from {pair}

Made by run `{job.run}`. Recipe `{job.digest}`, data `{document["digest"]}`.

## Model
Transformer, {size.layers}+{size.layers} layers, dimension {size.model_dimension}, \
feed-forward {size.feed_forward_dimension}, {size.heads} heads; \
{document["vocabularySize"]:,} SentencePiece pieces ({training.vocabulary.algorithm}). \
Sentences of up to {size.max_tokens - 1} pieces.

## Data
{document["pairs"]:,} pairs after cleaning ({document["rejectedPairs"]:,} rows rejected), \
{document["validationPairs"]:,} for validation{held_out}.

{files}

What was noticed:
{notes}

## Training
{position.step:,} steps in {position.epoch} epochs, {position.seconds / 60:.1f} minutes. \
Validation loss {best} nats per token (epoch {position.best_epoch}), with the running mean of \
the weights, which is what is published.

## Limits
It learned from this text alone: names, numbers and subjects that the text lacks are translated
badly, and what is wrong or unfair in the text is learned as well. Scores against held-out text
stand in `evaluation/`.

## Made with
{", ".join(f"{name} {version}" for name, version in versions.items())}
"""
