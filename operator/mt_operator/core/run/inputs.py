"""What a run's Jobs are made from: resolved once, stored, and from then on read only from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mt_contract.codec import DecodeError, from_json
from mt_contract.defaults import drop
from mt_contract.resource import ArtifactRef, Engine, Evaluation, Placement
from mt_operator.core.plan import ImpossibleError

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Baseline:
    """What the candidate is compared with: production, as it was when the evaluation began."""

    run: str
    uri: str
    digest: str
    engine: Tree


@dataclass(frozen=True)
class Parent:
    """The artifact that a training starts from."""

    run: str
    uri: str
    digest: str


@dataclass(frozen=True)
class Previous:
    """The training before this one, whose data statistics are compared."""

    run: str
    uri: str  # of its folder


@dataclass(frozen=True)
class Tracked:
    """Where else the Jobs tell of the run, and as what."""

    tracking_uri: str
    experiment: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Inputs:
    """``status.inputs``, decoded."""

    folder: str  # URI of the run's own
    test: tuple[Tree, ...]  # [{uri, slice}], as written
    evaluation: Evaluation
    engine: Engine
    service_account_name: str
    placement: Placement
    baseline: Baseline | None = None
    parent: Parent | None = None
    previous: Previous | None = None
    tracking: Tracked | None = None
    importer: str = ""  # image of the import Job


@dataclass(frozen=True)
class Work:
    """The stored status of a run that is beyond resolving."""

    recipe: Tree  # without its digest
    inputs: Inputs
    raw_inputs: Tree  # as stored


def work_of(status: Tree) -> Work:
    """Return what the Jobs of a run with this stored status are made from.

    Raises:
        ImpossibleError: it says that a Job is due, but not which: somebody else wrote to it.
    """
    recipe, inputs = status.get("recipe"), status.get("inputs")
    if not recipe or not inputs:
        raise ImpossibleError("status.attempts counts Jobs, but status.recipe or inputs is gone")
    try:
        decoded = from_json(Inputs, inputs, "status.inputs")
    except DecodeError as error:
        raise ImpossibleError(str(error)) from error
    return Work(drop(recipe, frozenset({"digest"})), decoded, inputs)


def artifact_of(status: Tree) -> ArtifactRef:
    """Return the artifact that is evaluated.

    Raises:
        ImpossibleError: there is none in the stored status.
    """
    try:
        return from_json(ArtifactRef, status.get("artifact"), "status.artifact")
    except DecodeError as error:
        raise ImpossibleError(f"an evaluation is due, but {error}") from error
