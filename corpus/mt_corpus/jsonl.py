"""Rows of JSONL: an object a line, its texts under named keys (``translation.pt`` looks inside)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mt_contract.errors import DataError
from mt_contract.resource import Fields
from mt_corpus.lines import decoded, numbered
from mt_corpus.rows import Broken, Row

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_KINDS = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
_MANY = "it is one JSON array, not one object a line: convert it with jq -c '.[]'"


class _ValueError(ValueError):
    """What is wrong with the values of a line."""


def rows(
    name: str, blocks: Iterable[bytes], fields: Fields, part: str | None
) -> Iterator[Row | Broken]:
    """Yield every line as a pair or as broken; ``part`` is the slice of those that name none.

    Raises:
        DataError: the file is damaged or empty, or one JSON array.
    """
    decode = json.JSONDecoder(object_pairs_hook=_unique).decode
    for number, data in numbered(name, blocks):
        text = decoded(number, data)
        if not isinstance(text, str):
            yield text
        elif not text.strip():
            yield Row(number, "", "", part)
        elif number == 1 and text.lstrip().startswith("["):
            raise DataError(f"{name}: {_MANY}")
        else:
            yield _row(number, text, decode, fields, part)


def texts(name: str, blocks: Iterable[bytes], field: str) -> Iterator[Row | Broken]:
    """Yield the text under ``field`` of every line, or what is broken.

    Raises:
        DataError: the file is damaged or empty, or one JSON array.
    """
    for found in rows(name, blocks, Fields(source=field, target=field), None):
        yield found._replace(target="") if isinstance(found, Row) else found


def _row(number: int, text: str, decode: Any, fields: Fields, part: str | None) -> Row | Broken:
    try:
        value = decode(text)
        source, target = _text(value, fields.source), _text(value, fields.target)
        if fields.slice is not None:
            part = _text(value, fields.slice, missing="") or part
    except json.JSONDecodeError as error:
        return Broken(number, f"not JSON ({error.msg} at character {error.pos + 1})")
    except (ValueError, RecursionError) as error:
        return Broken(number, str(error))
    return Row(number, source, target, part)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _ValueError(f"the key '{twice}' stands there twice")
    return found


def _text(value: Any, path: str, missing: str | None = None) -> str:
    """Return the text that ``path`` names; null is an empty one.

    Raises:
        ValueError: there is none.
    """
    if not isinstance(value, Mapping):
        raise _ValueError(f"{_kind(value)} instead of an object")
    if path not in value and "." in path:
        head, _, rest = path.partition(".")
        if isinstance(value.get(head), Mapping):
            return _text(value[head], rest, missing)
    if path not in value:
        if missing is not None:
            return missing
        keys = ", ".join(map(repr, value)) or "no key"
        raise _ValueError(f"no key '{path}' but {keys:.200}: name them in spec.data.fields")
    text = value[path]
    if text is None:
        return ""
    if not isinstance(text, str):
        raise _ValueError(f"'{path}' is {_kind(text)}, not text")
    if not text.isascii() and _HALF_PAIR.search(text):
        raise _ValueError(f"'{path}' holds half of a surrogate pair")
    return text


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "text" if isinstance(value, str) else "null")
