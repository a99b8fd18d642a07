"""What files are read for: in which words, and as which errors, failures are told."""

from __future__ import annotations

from dataclasses import dataclass

from mt_contract.errors import ConfigurationError, DataError, ProgramError


@dataclass(frozen=True)
class Purpose:
    """Whom a failure is told to.

    Attributes:
        field: of the recipe that names the place; begins messages about how it is written.
        missing: error for what is not there, or is something else than a file.
        remedy: what to do about it.
        settings: where a Job's credentials are given.
    """

    field: str
    missing: type[ProgramError]
    remedy: str
    settings: str


TEXT = Purpose(
    "data", DataError, "correct the location in spec.data", "spec.training.env or envFrom"
)
MODEL = Purpose(
    "import.uri",
    ConfigurationError,
    "correct spec.import.uri, or copy the whole model there",
    "spec.training.env or envFrom of the model that spec.modelRef names",
)
