"""What a request may ask for beside the translation, as V1, V2 and instances name it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mt_predictor.engine import Search

MAX_BEAM = 16  # a request's; what the model is configured for may be more
NAMES = ("beam_size", "n_best", "return_tokens", "return_attention")


class ParameterError(ValueError):
    """A parameter that makes no sense; the message names it."""


@dataclass(frozen=True)
class Parameters:
    """How a text is translated, and what is told of it."""

    search: Search
    pieces: bool = False  # the tokens of text and translation; with attention always


def read(given: Mapping[str, Any], default: Parameters) -> Parameters:
    """Return what ``given`` names, and ``default`` for what it does not; other keys are ignored.

    Raises:
        ParameterError: a value is not one that it can have.
    """
    widest = max(MAX_BEAM, default.search.beam_size)
    beam_size = given.get("beam_size", default.search.beam_size)
    if not _is_count(beam_size, widest):
        raise ParameterError(f"beam_size has to be a whole number from 1 to {MAX_BEAM}")
    n_best = given.get("n_best", default.search.n_best)
    if not _is_count(n_best, widest):
        raise ParameterError(f"n_best has to be a whole number from 1 to {MAX_BEAM}")
    attention = _flag(given, "return_attention", default.search.attention)
    pieces = _flag(given, "return_tokens", default.pieces)
    return Parameters(Search(beam_size, n_best, attention), pieces)


def read_all(given: Mapping[str, Any], default: Parameters) -> Parameters:
    """Return what ``given`` names, and ``default`` for what it does not.

    Raises:
        ParameterError: a name is not one of these, or a value not one that it can have.
    """
    if unknown := sorted(str(name) for name in given if name not in NAMES):
        raise ParameterError(f"unknown parameter {unknown[0][:64]!r}: there are {', '.join(NAMES)}")
    return read(given, default)


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise ParameterError(f"{name} has to be true or false")
    return value
