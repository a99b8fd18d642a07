"""The shipped definitions of both kinds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import mt_contract
from mt_cli.errors import CliError
from mt_cli.lint.documents import KINDS

FOLDER = Path(mt_contract.__file__).parents[1]


@cache
def definition(kind: str) -> Mapping[str, Any]:
    """Return the CustomResourceDefinition of a kind.

    Raises:
        CliError: it is not where it is shipped.
    """
    path = FOLDER / f"{KINDS[kind]}.yaml"
    try:
        found: Mapping[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise CliError(f"the definition of {kind} is missing: {error}. Install anew.") from error
    return found


def schema(kind: str) -> Mapping[str, Any]:
    """Return the schema of a kind's objects, with what the API server knows of metadata."""
    whole: Mapping[str, Any] = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    open_metadata = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return dict(whole) | {"properties": dict(whole["properties"]) | {"metadata": open_metadata}}


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
