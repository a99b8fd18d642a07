"""What to train and where: out of a Job's environment, or out of a recipe file on a laptop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mt_contract import names, recipe
from mt_contract.codec import DecodeError, from_json, parse_duration
from mt_contract.defaults import Images
from mt_contract.resource import Recipe, Source
from mt_trainer import limits, reading
from mt_trainer.data import File, Files
from mt_trainer.errors import ConfigurationError

_CHECKPOINT_SECONDS = "120"


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        recipe: what decides the outcome.
        written: the same as the JSON that it came in; ``digest`` is taken of it.
        digest: of the recipe.
        run: name of the TrainingRun.
        out: the run's folder.
        uri: the run's folder as the cluster names it.
        files: where the text is read.
        parent: name of the run before, or None.
        checkpoint_seconds: time between two checkpoints.
        progress_port: where progress is served; None: nowhere.
    """

    recipe: Recipe
    written: Mapping[str, Any]
    digest: str
    run: str
    out: Path
    uri: str
    files: Files
    parent: str | None
    checkpoint_seconds: float
    progress_port: int | None


def from_environment(environment: Mapping[str, str]) -> Job:
    """Return the job that a pod's environment describes.

    Raises:
        ConfigurationError: a variable is missing or cannot be understood, or asks for what this
            release cannot do.
    """
    written = _json(environment, "MT_RECIPE")
    written = {key: value for key, value in written.items() if key != "digest"}
    test = _sources(_json(environment, "MT_TEST", "[]"), "MT_TEST")
    parent = _json(environment, "MT_PARENT", "{}").get("run")
    uri = _variable(environment, "MT_OUTPUT")
    return _job(
        written=written,
        test=test,
        run=_variable(environment, "MT_RUN"),
        out=_path(uri, Path()),
        uri=uri,
        base=Path(),
        parent=parent,
        environment=environment,
        progress_port=names.METRICS_PORT,
    )


def from_file(path: Path, out: Path, environment: Mapping[str, str]) -> Job:
    """Return the job of a recipe file; relative locations in it are relative to it.

    Raises:
        ConfigurationError: the file cannot be read or understood, or asks for what this release
            cannot do.
    """
    try:
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read as a recipe: {error}") from error
    spec = spec.get("spec", spec) if isinstance(spec, dict) else spec
    if not isinstance(spec, dict) or not isinstance(spec.get("data"), dict):
        raise ConfigurationError(
            f"{path} is no recipe: it needs sourceLanguage, targetLanguage and data.train (see "
            "`mt-trainer train --help`)"
        )
    if spec.get("training", {}).get("nodes", 1) != 1:
        raise ConfigurationError("training.nodes: this release trains on one node; leave it out")
    try:
        written = recipe.resolved(spec, Images(trainer="local", predictor="local"))
    except KeyError as error:
        raise ConfigurationError(f"{path}: training.preset: {error} is not known") from error
    except (TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path}: a recipe cannot be read from it: {error}") from error
    return _job(
        written=written,
        test=_sources(spec["data"].get("test", []), f"{path}: data.test"),
        run=path.stem,
        out=out,
        uri=str(out),
        base=path.parent,
        parent=None,
        environment=environment,
        progress_port=None,
    )


def _job(
    *,
    written: Mapping[str, Any],
    test: tuple[Source, ...],
    run: str,
    out: Path,
    uri: str,
    base: Path,
    parent: str | None,
    environment: Mapping[str, str],
    progress_port: int | None,
) -> Job:
    try:
        decoded = from_json(Recipe, written)
    except DecodeError as error:
        raise ConfigurationError(f"the recipe cannot be used: {error}") from error
    limits.check(decoded)
    data = decoded.data
    return Job(
        recipe=decoded,
        written=written,
        digest=recipe.recipe_digest(written),
        run=run,
        out=out,
        uri=uri.rstrip("/"),
        files=Files(*(_files(sources, base) for sources in (data.train, data.validation, test))),
        parent=parent,
        checkpoint_seconds=_seconds(environment),
        progress_port=progress_port,
    )


def _files(sources: tuple[Source, ...], base: Path) -> tuple[File, ...]:
    for source in sources:
        reading.check_name(source.uri)
    return tuple(File(source.uri, _path(source.uri, base)) for source in sources)


def _path(uri: str, base: Path) -> Path:
    try:
        return base / names.local_path(uri)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _sources(value: Any, name: str) -> tuple[Source, ...]:
    try:
        return tuple(from_json(Source, item) for item in value)
    except (DecodeError, TypeError) as error:
        raise ConfigurationError(f"{name} is not a list of {{uri: …}}: {error}") from error


def _seconds(environment: Mapping[str, str]) -> float:
    text = environment.get("MT_CHECKPOINT_SECONDS", _CHECKPOINT_SECONDS)
    try:
        return (
            float(text)
            if text.replace(".", "", 1).isdigit()
            else parse_duration(text).total_seconds()
        )
    except ValueError as error:
        raise ConfigurationError(f"MT_CHECKPOINT_SECONDS: {error}") from error


def _variable(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise ConfigurationError(
            f"the environment variable {name} is not set: in a Job the operator sets it; on a "
            "laptop give a recipe file and --out"
        )
    return environment[name]


def _json(environment: Mapping[str, str], name: str, default: str | None = None) -> Any:
    text = environment.get(name) or default
    try:
        return json.loads(_variable(environment, name) if text is None else text)
    except ValueError as error:
        raise ConfigurationError(f"the environment variable {name} is not JSON: {error}") from error
