"""What a recipe may ask for in this release: one table, a line a field."""

from __future__ import annotations

from collections.abc import Callable, Container
from decimal import Decimal
from typing import Any

from mt_contract.codec import camel
from mt_contract.errors import ConfigurationError
from mt_contract.resource import Recipe
from mt_corpus.files import FORMATS

Holds = Callable[[Any], bool]


def _one_of(allowed: Container[str | None]) -> Holds:
    return lambda value: value in allowed


def _at_least(least: int) -> Holds:
    return lambda value: bool(value >= least)


def _fraction(value: Decimal) -> bool:
    return 0 <= value < 1


# A field's path in a Recipe, what must hold of its value, and what a user is told may stand there.
RULES: tuple[tuple[str, Holds, str], ...] = (
    ("data.format", _one_of(FORMATS), ", ".join(FORMATS)),
    ("data.train", bool, "name at least one file"),
    ("data.checks.max_divergence", lambda v: v is None or 0 <= v <= 1, "from 0 to 1, or left out"),
    (
        "training.warm_start_from",
        _one_of(("None", "Production", "LatestBlessed")),
        "None, Production, LatestBlessed",
    ),
    ("training.precision", _one_of(("Auto", "Float32", "BFloat16")), "Auto, Float32, BFloat16"),
    ("training.vocabulary.algorithm", _one_of(("Unigram", "BPE")), "Unigram, BPE"),
    ("training.vocabulary.shared", bool, "this release makes one vocabulary for both languages"),
    ("training.architecture.layers", _at_least(1), "at least 1"),
    ("training.architecture.heads", _at_least(1), "at least 1"),
    ("training.architecture.max_tokens", _at_least(8), "at least 8"),
    ("training.architecture.dropout", _fraction, "from 0 to below 1"),
    ("training.optimizer.label_smoothing", _fraction, "from 0 to below 1"),
    ("training.optimizer.learning_rate", lambda v: v > 0, "above 0"),
    ("training.optimizer.batch_tokens", _at_least(1), "at least 1"),
    ("training.budget.max_epochs", _at_least(1), "at least 1"),
    ("training.budget.max_steps", _at_least(1), "at least 1"),
    (
        "training.budget.early_stopping.metric",
        _one_of((None, "loss", "validationLoss")),
        "loss or validationLoss",
    ),
)


def check(wanted: Recipe) -> None:
    """Refuse what this release does not do, and sizes that make no network.

    Raises:
        ConfigurationError: with the field's path, its value, and what may stand there.
    """
    for path, holds, allowed in RULES:
        value = _value(wanted, path)
        if not holds(value):
            field = ".".join(map(camel, path.split(".")))
            shown = "empty" if value == () else value
            raise ConfigurationError(f"{field} is {shown}: {allowed}")
    shape = wanted.training.architecture
    if shape.model_dimension < 2 or shape.model_dimension % (2 * shape.heads):
        raise ConfigurationError(
            f"training.architecture.modelDimension is {shape.model_dimension}: it must be "
            f"a multiple of twice the heads ({shape.heads})"
        )


def _value(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = getattr(tree, name, None)
    return tree
