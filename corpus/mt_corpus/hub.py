"""The Hugging Face Hub (or the one that HF_ENDPOINT names): files of data sets, models."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote

from mt_contract.errors import ConfigurationError
from mt_corpus import steady, web
from mt_corpus.purpose import TEXT, Purpose
from mt_corpus.steady import Folder, Place

_HUB = "https://huggingface.co"
_REVISION = r"(?:@(?P<revision>refs/(?:pr|convert)/[^/]+|[^/]+))?"
_FILE = re.compile(rf"hf://datasets/(?P<name>[^/@]+/[^/@]+){_REVISION}/(?P<path>[^?#]*[^?#/])")
_MODEL = re.compile(
    rf"hf://(?!datasets/|spaces/)(?P<name>[^/@?#]+/[^/@?#]+){_REVISION}(?:/(?P<path>[^?#]*))?"
)
_MOST_TOLD = 8 << 20  # bytes of what the Hub says of a repository
_ADVICE = (
    "there is no such public {kind}: correct the name, or set HF_TOKEN from a secret through "
    "{settings}; a gated one must be accepted once by the token's owner"
)


def place(uri: str, purpose: Purpose = TEXT) -> Place:
    """Return a file of a data set.

    Raises:
        ConfigurationError: the URI is not of the form that names such a file.
    """
    found = _FILE.fullmatch(uri)
    if not found:
        raise ConfigurationError(
            f"{purpose.field}: {uri}: a file of the Hub is "
            "hf://datasets/<owner>/<name>[@<revision>]/<path>"
        )
    revision = quote(found["revision"] or "main", safe="")
    path = f"datasets/{found['name']}/resolve/{revision}/{quote(found['path'])}"
    return _behind(uri, path, "data set", purpose)


def folder(uri: str, purpose: Purpose) -> Folder:
    """Return a model's repository, or a folder in it, at the commit that its revision is now.

    Raises:
        ConfigurationError: the URI names no model, there is none, or it wants a token.
        StorageError: the Hub cannot be reached just now.
    """
    found = _MODEL.fullmatch(uri)
    if not found:
        raise ConfigurationError(
            f"{purpose.field}: {uri}: a model of the Hub is "
            "hf://<owner>/<name>[@<revision>][/<folder>]"
        )
    revision = quote(found["revision"] or "main", safe="")
    asked = f"api/models/{found['name']}/revision/{revision}?blobs=true"
    commit, files = _told(uri, _behind(uri, asked, "model", purpose))
    root = f"{found['path'].strip('/')}/" if (found["path"] or "").strip("/") else ""
    resolved = f"{found['name']}/resolve/{commit}/{quote(root)}"

    def at(name: str) -> Place:
        named = f"{uri.rstrip('/')}/{name}"
        return _behind(named, resolved + quote(name), "model", purpose)

    return Folder(partial(_directly_below, files, root), at)


def _directly_below(
    files: Mapping[str, int | None], root: str, below: str
) -> dict[str, int | None]:
    prefix = f"{root}{below}/" if below else root
    inside = {path: size for path, size in files.items() if path.startswith(prefix)}
    names = {path.removeprefix(prefix): size for path, size in inside.items()}
    return {name: size for name, size in names.items() if "/" not in name}


def _told(uri: str, place: Place) -> tuple[str, dict[str, int | None]]:
    """Return a repository's commit, and the size of each of its files by path."""
    with steady.Steady(place) as answer:
        data = answer.read(_MOST_TOLD + 1) or b""
    if len(data) > _MOST_TOLD:
        raise ConfigurationError(f"{uri} has too many files: name a repository of one model")
    try:
        document = json.loads(data)
        sizes = {str(one["rfilename"]): one.get("size") for one in document["siblings"]}
        commit = quote(document["sha"], safe="")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigurationError(
            f"{uri}: what answers does not speak as the Hub does: correct HF_ENDPOINT"
        ) from error
    return commit, {name: size if type(size) is int else None for name, size in sizes.items()}


def _behind(uri: str, path: str, kind: str, purpose: Purpose) -> Place:
    endpoint = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    token = os.environ.get("HF_TOKEN", "").strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    advice = _ADVICE.format(kind=kind, settings=purpose.settings)
    return web.behind(uri, f"{endpoint}/{path}", headers, advice, purpose)
