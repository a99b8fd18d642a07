"""The operator's settings: what the platform team decides, in one YAML file, for all users."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from mt_contract.codec import DecodeError, camel, from_json
from mt_contract.defaults import Images

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # as a spec may name an entry
PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
PLACEHOLDERS = frozenset({"model", "namespace", "revision"})
ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?")


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
    cluster: str = ""  # this cluster's name or address, for whoever reads an alert

    def allows(self, image: str) -> bool:
        """Return whether a user may name this image."""
        named = (self.images.trainer, self.images.predictor, self.images.predictor_tensorflow)
        patterns = (*self.allowed_images, *filter(None, named))
        return any(fnmatchcase(image, pattern) for pattern in patterns)


def load(path: Path) -> Settings:
    """Read the settings file.

    Raises:
        OSError: it cannot be read.
        DecodeError: a setting is missing, unknown or wrong; the message names it.
    """
    tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    settings = from_json(Settings, tree)
    problems = [*_unknown(Settings, tree, ""), *_wrong(settings)]
    if problems:
        raise DecodeError("; ".join(problems))
    return settings


def _unknown(kind: Any, tree: Any, path: str) -> Iterator[str]:
    """Return the keys below ``tree`` that no setting has, which from_json passes over."""
    if not isinstance(tree, Mapping):
        return
    inner = next((each for each in typing.get_args(kind) if is_dataclass(each)), kind)
    if typing.get_origin(kind) is Mapping:
        for key, below in tree.items():
            yield from _unknown(inner, below, f"{path}{key}.")
    elif is_dataclass(inner):
        hints = typing.get_type_hints(inner)
        known = {camel(each.name): hints[each.name] for each in fields(inner)}
        for key in sorted(tree.keys() - known.keys(), key=str):
            yield f"{path}{key}: there is no such setting; there are {', '.join(sorted(known))}"
        for key in tree.keys() & known.keys():
            yield from _unknown(known[key], tree[key], f"{path}{key}.")


def _wrong(settings: Settings) -> Iterator[str]:
    """Return what is wrong with settings that have the right shape."""
    if settings.prometheus and not ADDRESS.fullmatch(settings.prometheus.url):
        yield f"prometheus.url: {settings.prometheus.url!r} is no http:// or https:// address"
    if settings.queries and not settings.prometheus:
        yield "queries: there is no Prometheus to ask: set prometheus.url"
    for name, query in settings.queries.items():
        yield from _misnamed("queries", name)
        yield from _wrong_query(f"queries.{name}.promql", query.promql)
    for name, receiver in settings.receivers.items():
        yield from _misnamed("receivers", name)
        if (receiver.url is None) == (receiver.url_file is None):
            yield f"receivers.{name}: give either url or urlFile"
        elif receiver.url is not None and not ADDRESS.fullmatch(receiver.url):
            yield f"receivers.{name}.url: is no http:// or https:// address"


def _wrong_query(path: str, promql: str) -> Iterator[str]:
    if not promql.strip():
        yield f"{path}: is empty"
    for found in PLACEHOLDER.findall(promql):
        if found not in PLACEHOLDERS:
            known = ", ".join("{{" + each + "}}" for each in sorted(PLACEHOLDERS))
            yield f"{path}: {{{{{found}}}}} is no placeholder; there are {known}"


def _misnamed(table: str, name: Any) -> Iterator[str]:
    if not NAME.fullmatch(str(name)):
        yield f"{table}.{name}: names have at most 63 characters a-z, 0-9 and -"
