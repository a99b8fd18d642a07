"""What to import and where to: out of a Job's environment, or out of a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt_contract import resource
from mt_contract.errors import ConfigurationError
from mt_corpus import places
from mt_trainer.config import Tracking, optional, path_of, tracking_of, variable

_PRIMARY = re.compile(r"[a-z]{2,3}")  # first part of a language tag; regions are capitals


@dataclass(frozen=True)
class Import:
    """One import.

    Attributes:
        run: name of the TrainingRun.
        out: the run's folder.
        uri: the run's folder as the cluster names it.
        source: folder of the model on this machine; None: it is fetched from ``origin``.
        origin: the same as the user names it, and the digest that its manifest must have.
        languages: of source and target.
        tracking: where else the import is told of, or None.
    """

    run: str
    out: Path
    uri: str
    source: Path | None
    origin: resource.Import
    languages: tuple[str, str]
    tracking: Tracking | None = None

    @property
    def named(self) -> str:
        """Return where the model is, without what a signed URL lets anybody read it by."""
        return self.origin.uri.partition("?")[0]

    @property
    def recipe(self) -> dict[str, Any]:
        """Return what decides the outcome."""
        source = {"uri": self.named, "digest": self.origin.digest}
        return {
            "sourceLanguage": self.languages[0],
            "targetLanguage": self.languages[1],
            "import": {key: value for key, value in source.items() if value},
        }


def from_environment(environment: Mapping[str, str]) -> Import:
    """Return the import that a pod's environment describes.

    Raises:
        ConfigurationError: a variable is missing or cannot be understood.
    """
    variable(environment, "MT_IMPORT")
    origin = optional(environment, "MT_IMPORT", resource.Import)
    assert origin is not None
    uri = variable(environment, "MT_OUTPUT")
    return Import(
        run=variable(environment, "MT_RUN"),
        out=path_of(uri, Path()),
        uri=uri.rstrip("/"),
        source=_source(origin.uri),
        origin=origin,
        languages=pair(variable(environment, "MT_LANGUAGES")),
        tracking=tracking_of(environment),
    )


def from_command_line(source: str, out: Path, languages: str) -> Import:
    """Return the import of a folder on this machine, or of a model elsewhere.

    Raises:
        ConfigurationError: ``languages`` are not two, or ``source`` is no place that is known.
    """
    return Import(
        run=out.name,
        out=out,
        uri=str(out),
        source=_source(source),
        origin=resource.Import(source),
        languages=pair(languages),
    )


def _source(uri: str) -> Path | None:
    return None if places.is_elsewhere(uri) else path_of(uri, Path())


def pair(languages: str) -> tuple[str, str]:
    """Return both languages of e.g. ``pt-en`` or ``pt-BR-zh-Hant``.

    Raises:
        ConfigurationError: it cannot be told where the second begins.
    """
    parts = languages.split("-")
    begins = [i for i, part in enumerate(parts) if i and _PRIMARY.fullmatch(part)]
    if len(begins) != 1 or not _PRIMARY.fullmatch(parts[0]):
        raise ConfigurationError(
            f"languages {languages!r}: write source and target as pt-en, regions in capitals "
            "(pt-BR-en)"
        )
    return "-".join(parts[: begins[0]]), "-".join(parts[begins[0] :])
