"""What to train and where: out of a Job's environment, or out of a recipe file on a laptop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mt_contract import names, recipe
from mt_contract.codec import DecodeError, from_json, parse_duration
from mt_contract.defaults import Images
from mt_contract.errors import ConfigurationError
from mt_contract.resource import Data, Recipe, Source
from mt_corpus import places, reading
from mt_corpus.files import File, files_of
from mt_trainer import limits
from mt_trainer.survey import Files

_CHECKPOINT_SECONDS = "120"
T = TypeVar("T")


@dataclass(frozen=True)
class Origin:
    """The artifact of an earlier run that a training starts from."""

    run: str
    uri: str
    digest: str


@dataclass(frozen=True)
class Node:
    """This machine among those that train together."""

    index: int = 0
    count: int = 1
    coordinator: str = ""  # host:port of node 0

    @property
    def leads(self) -> bool:
        """Return whether this is the node that writes."""
        return self.index == 0


@dataclass(frozen=True)
class Tracking:
    """Where else a training is told of: an MLflow server, with tags for its runs."""

    tracking_uri: str
    experiment: str
    tags: Mapping[str, str] = field(default_factory=dict)


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
        parent: what a warm start begins from, or None.
        previous: folder of the run before, whose data statistics are compared, or None.
        tracking: where else the training is told of, or None.
        node: this machine among those that train together.
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
    parent: Origin | None
    previous: Path | None
    tracking: Tracking | None
    node: Node
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
    uri = variable(environment, "MT_OUTPUT")
    return _job(
        written=written,
        test=test,
        run=variable(environment, "MT_RUN"),
        out=path_of(uri, Path()),
        uri=uri,
        base=Path(),
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
    return from_spec(spec, path, out, environment)


def from_spec(
    spec: Mapping[str, Any], path: Path, out: Path, environment: Mapping[str, str]
) -> Job:
    """Return the job of what a recipe file says.

    Args:
        spec: its content.
        path: the file, for messages; locations are relative to its folder.
        out: the run's folder.
        environment: of this process.

    Raises:
        ConfigurationError: it cannot be understood, or asks for what this release cannot do.
    """
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
        files=Files(*(_files(data, part, base) for part in (data.train, data.validation, test))),
        parent=optional(environment, "MT_PARENT", Origin),
        previous=_previous(environment),
        tracking=tracking_of(environment),
        node=_node(environment),
        checkpoint_seconds=_seconds(environment),
        progress_port=progress_port,
    )


def _files(data: Data, sources: tuple[Source, ...], base: Path) -> tuple[File, ...]:
    for source in sources:
        reading.check_name(source.uri, data.format)
    return files_of(sources, data.format, data.fields, lambda uri: places.locate(uri, base))


def path_of(uri: str, base: Path) -> Path:
    """Return where this container finds a folder.

    Raises:
        ConfigurationError: the URI names no claim and no path.
    """
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


def optional(environment: Mapping[str, str], name: str, kind: type[T]) -> T | None:
    """Return what a variable holds as JSON, or None where it is not set.

    Raises:
        ConfigurationError: it is not JSON, or of another shape.
    """
    written = _json(environment, name, "null")
    try:
        return None if written is None else from_json(kind, written, name)
    except DecodeError as error:
        raise ConfigurationError(f"the environment variable {error}") from error


def _previous(environment: Mapping[str, str]) -> Path | None:
    uri = environment.get("MT_PREVIOUS")
    return path_of(uri, Path()) if uri else None


def tracking_of(environment: Mapping[str, str]) -> Tracking | None:
    """Return where else a Job tells of its run, or None.

    Raises:
        ConfigurationError: it cannot be understood.
    """
    found = optional(environment, "MT_TRACKING", Tracking)
    return found and replace(found, tags=_json(environment, "MT_TAGS", "{}"))


def _node(environment: Mapping[str, str]) -> Node:
    """Return which node this is; an Indexed Job numbers its pods itself."""
    numbers = {}
    for name, default in (("MT_NODES", "1"), ("JOB_COMPLETION_INDEX", "0")):
        text = environment.get(name) or default
        if not text.isdecimal():
            raise ConfigurationError(f"the environment variable {name} is {text}: a whole number")
        numbers[name] = int(text)
    count = numbers["MT_NODES"]
    index = numbers["JOB_COMPLETION_INDEX"] if count > 1 else 0
    return Node(index, count, environment.get("MT_COORDINATOR", ""))


def variable(environment: Mapping[str, str], name: str) -> str:
    """Return what a variable says.

    Raises:
        ConfigurationError: it is not set.
    """
    if not environment.get(name):
        raise ConfigurationError(
            f"the environment variable {name} is not set: in a Job the operator sets it; on a "
            "laptop give a recipe file and --out"
        )
    return environment[name]


def _json(environment: Mapping[str, str], name: str, default: str | None = None) -> Any:
    text = environment.get(name) or default
    try:
        return json.loads(variable(environment, name) if text is None else text)
    except ValueError as error:
        raise ConfigurationError(f"the environment variable {name} is not JSON: {error}") from error
