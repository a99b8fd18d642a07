"""The operator's settings: what the platform team decides, in one YAML file, for all users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from mt_contract.codec import from_json
from mt_contract.defaults import Images


@dataclass(frozen=True)
class Gateway:
    """A Gateway that models may be served through."""

    name: str
    namespace: str
    hostname: str = "{model}-{namespace}.example.com"  # template
    section: str | None = None  # listener
    scheme: str = "http"
    port: int | None = None  # shown in status.url where it is not the scheme's


@dataclass(frozen=True)
class Prometheus:
    """Where PromQL is asked; the only address that metrics are fetched from, but for pods."""

    url: str


@dataclass(frozen=True)
class Query:
    """A PromQL query that users may name; {{model}}, {{namespace}}, {{revision}} are filled in."""

    promql: str


@dataclass(frozen=True)
class Receiver:
    """A webhook that users may have called; the URL may name a file that holds it (a Secret)."""

    url: str | None = None
    url_file: str | None = None


@dataclass(frozen=True)
class Settings:
    """All settings; durations as in the API."""

    images: Images
    allowed_images: tuple[str, ...] = ()  # patterns with *; the default images are always allowed
    gateways: Mapping[str, Gateway] = field(default_factory=dict)
    progress_interval: timedelta = timedelta(
        seconds=15
    )  # a run's progress is written at most this often
    image_pull_policy: str = "IfNotPresent"
    drain: timedelta = timedelta(
        seconds=15
    )  # preStop of a predictor: how long a gateway may still send it requests

    prometheus: Prometheus | None = None
    queries: Mapping[str, Query] = field(default_factory=dict)
    receivers: Mapping[str, Receiver] = field(default_factory=dict)

    def allows(self, image: str) -> bool:
        """Return whether a user may name this image."""
        patterns = (*self.allowed_images, self.images.trainer, self.images.predictor)
        return any(fnmatchcase(image, pattern) for pattern in patterns)


def load(path: Path) -> Settings:
    """Read the settings file.

    Raises:
        OSError: it cannot be read.
        DecodeError: a setting is missing or has the wrong shape; the message names it.
    """
    return from_json(Settings, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
