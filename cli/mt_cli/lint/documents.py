"""Manifests from files: YAML or JSON, many in one, read as kubectl reads them."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mt_cli.errors import CliError, Code
from mt_contract import names

KINDS = {names.MODEL_KIND: names.MODEL_PLURAL, names.RUN_KIND: names.RUN_PLURAL}
SUFFIXES = (".yaml", ".yml", ".json")
_BOOLEANS = {True: "true", False: "false"}
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


@dataclass(frozen=True)
class Document:
    """One object of ours, and the file that it stands in."""

    file: str
    tree: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Return TranslationModel or TrainingRun."""
        return str(self.tree["kind"])

    @property
    def name(self) -> str:
        """Return its name, or how it begins."""
        meta = self.tree.get("metadata")
        found = meta if isinstance(meta, Mapping) else {}
        return str(found.get("name") or found.get("generateName") or "(no name)")


class _Loader(yaml.SafeLoader):
    """Reads what kubectl reads: no dates, keys are strings, no key twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - declared so by its base class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping; an error where a key stands twice."""
        self.flatten_mapping(node)
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            text = _BOOLEANS[key] if isinstance(key, bool) else str(key)
            if text in found:
                told = f"the key {text!r} stands here twice: remove one"
                raise yaml.constructor.ConstructorError(None, None, told, key_node.start_mark)
            found[text] = self.construct_object(value_node, deep=True)
        return found


def read(files: list[str]) -> Iterator[Document]:
    """Yield the objects of ours in files, folders, or (``-``) standard input.

    Raises:
        CliError: there is no such file, or it cannot be parsed; the message says where.
    """
    for file in files:
        for path in _paths(file):
            yield from _parsed(str(path), sys.stdin.read() if file == "-" else _text(path))


def _paths(file: str) -> list[Path]:
    path = Path(file)
    if file == "-" or not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    if not found:
        raise CliError(f"{file} holds no .yaml, .yml or .json file.", Code.NOT_FOUND)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        missing = isinstance(error, FileNotFoundError)
        code = Code.NOT_FOUND if missing else Code.ERROR
        raise CliError(f"cannot read {path}: {error}", code) from error


def _parsed(file: str, text: str) -> Iterator[Document]:
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise CliError(
            f"{file} is no YAML: {' '.join(str(error).split())}", Code.FINDINGS
        ) from error
    for document in documents:
        for item in _items(document):
            if _is_ours(item):
                yield Document(file, item)


def _items(document: Any) -> list[Any]:
    if isinstance(document, Mapping) and document.get("kind") == "List":
        return list(document.get("items") or ())
    return [document]


def _is_ours(item: Any) -> bool:
    group = f"{names.GROUP}/"
    ours = isinstance(item, Mapping) and str(item.get("apiVersion", "")).startswith(group)
    return ours and item.get("kind") in KINDS
