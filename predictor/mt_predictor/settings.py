"""What a container is told in its environment, decoded once and with errors that name the variable.

Consumer: the subcommands. Trap: values are written by another program, so each is checked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from mt_contract import defaults, names, report
from mt_contract.codec import DecodeError, from_json
from mt_contract.errors import ConfigurationError
from mt_contract.resource import Fields, Source

T = TypeVar("T")
Environment = Mapping[str, str]
# What each engine may compute in, and its own name of it; the API offers the first four. With Int8,
# what is not quantised is in the processor's best type; the others of that kind name it.
PRECISIONS: Mapping[str, Mapping[str, str]] = {
    "CTranslate2": {
        "Float32": "float32",
        "BFloat16": "bfloat16",
        "Float16": "float16",
        "Int8": "int8",
        "Int8Float32": "int8_float32",
        "Int8BFloat16": "int8_bfloat16",
        "Int8Float16": "int8_float16",
    },
    "TensorFlow": {"Float32": "float32"},
}
MAX_BEAM = 64  # as the API bounds it


@dataclass(frozen=True)
class EngineSettings:
    """What changes translations without training (``MT_ENGINE``)."""

    engine: str
    precision: str
    beam_size: int

    @property
    def compute_type(self) -> str:
        """Return the engine's name of the precision."""
        return PRECISIONS[self.engine][self.precision]


@dataclass(frozen=True)
class ServingSettings:
    """How requests are batched and bounded (``MT_SERVING``)."""

    max_batch_tokens: int
    max_batch_delay: timedelta
    max_queue: int


@dataclass(frozen=True)
class Located:
    """An artifact: where it is, what it must be, and the engine it is meant for, where told."""

    uri: str
    digest: str
    run: str | None = None
    engine: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Asked:
    """One number that a gate needs."""

    metric: str
    slice: str | None = None


@dataclass(frozen=True)
class ShownGate:
    """A gate as the report shows it: its bounds are text here, which nothing is decided by."""

    name: str
    metric: str
    rule: str  # "min 40, minDelta -0.5"
    slice: str | None = None


@dataclass(frozen=True)
class EvaluationSettings:
    """What is measured (``MT_EVALUATION``); bounds of gates are for the report only."""

    test: tuple[Source, ...]
    confidence: str
    seed: int
    comparisons: tuple[Asked, ...] = ()
    gates: tuple[ShownGate, ...] = ()
    format: str = "Auto"
    fields: Fields = field(default_factory=Fields)


def environment() -> Environment:
    """Return the process's environment."""
    return os.environ


def required(env: Environment, name: str) -> str:
    """Return a variable that must be set.

    Raises:
        ConfigurationError: it is missing or empty.
    """
    value = env.get(name, "").strip()
    if not value:
        raise ConfigurationError(
            f"{name} is not set: the operator sets it; on a laptop see --help for its meaning"
        )
    return value


def required_int(env: Environment, name: str, least: int) -> int:
    """Return a variable that must be a whole number of at least ``least``."""
    text = required(env, name)
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ConfigurationError(f"{name} is {text!r}: a whole number from {least} is needed")
    return value


def decoded(cls: type[T], env: Environment, name: str, default: Any = None) -> T:
    """Return the JSON of a variable as ``cls``; ``default`` stands for one that is not set.

    Raises:
        ConfigurationError: it is missing, no JSON, or of another shape.
    """
    if default is None or env.get(name, "").strip():
        try:
            document = json.loads(required(env, name))
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{name} is not JSON ({error}): correct it") from error
    else:
        document = default
    try:
        return from_json(cls, document)
    except DecodeError as error:
        raise ConfigurationError(f"{name}: {error}") from error


def engine_settings(env: Environment, name: str = "MT_ENGINE") -> EngineSettings:
    """Return engine, precision and beam size, by default those of the API.

    Raises:
        ConfigurationError: there is no such engine, or it has no such precision.
    """
    return checked_engine(decoded(EngineSettings, env, name, defaults.ENGINE), name)


def checked_engine(engine: EngineSettings, where: str) -> EngineSettings:
    """Return ``engine`` if there is such a one; ``where`` names it in the message."""
    if engine.engine not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ConfigurationError(f"{where}.engine is {engine.engine!r}: use one of {known}")
    if engine.precision not in PRECISIONS[engine.engine]:
        known = ", ".join(PRECISIONS[engine.engine])
        raise ConfigurationError(
            f"{where}.precision is {engine.precision!r}: use one of {known}, "
            f"which {engine.engine} has"
        )
    if not 1 <= engine.beam_size <= MAX_BEAM:
        raise ConfigurationError(
            f"{where}.beamSize is {engine.beam_size}: use a number from 1 to {MAX_BEAM}"
        )
    return engine


def serving_settings(env: Environment) -> ServingSettings:
    """Return the bounds of batches and queue, by default those of the API."""
    return decoded(ServingSettings, env, "MT_SERVING", defaults.SERVING)


def local(uri: str, what: str, env: Environment) -> Path:
    """Return where this container finds ``uri``; MT_CLAIM_ROOT moves claims elsewhere.

    Raises:
        ConfigurationError: the URI's scheme is not read by this release.
    """
    try:
        return Path(names.local_path(uri, env.get("MT_CLAIM_ROOT") or names.CLAIM_ROOT))
    except ValueError as error:
        raise ConfigurationError(f"{what}: {error}") from error


def termination_log(env: Environment) -> Path:
    """Return the file that Kubernetes reads the container's last words from."""
    return Path(env.get("MT_TERMINATION_LOG") or report.TERMINATION_LOG)
