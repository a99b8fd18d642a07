"""Frozen dataclasses from and to the API's JSON: camelCase, durations "10m", decimals "0.01"."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin

T = TypeVar("T")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")


class DecodeError(ValueError):
    """A value does not have its field's shape; the message starts with the field's path."""


@cache
def camel(name: str) -> str:
    """Return ``snake_case`` as ``camelCase``; a trailing underscore (``import_``) goes."""
    head, *rest = name.rstrip("_").split("_")
    return head + "".join(part.title() for part in rest)


def parse_duration(text: str) -> timedelta:
    """Return the duration of e.g. ``1h30m``, ``5ms``.

    Raises:
        ValueError: it is not a sequence of numbers with units ms, s, m, h, d, or out of range.
    """
    if not text or _DURATION.sub("", text):
        raise ValueError(f"{text!r} is not a duration such as 30s, 10m or 1h30m")
    try:
        return sum((int(n) * _UNITS[unit] for n, unit in _DURATION.findall(text)), timedelta())
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than any duration can be") from error


def format_duration(value: timedelta) -> str:
    """Return a duration in the fewest units (``90m`` is ``1h30m``)."""
    milliseconds = round(value / timedelta(milliseconds=1))
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def parse_time(text: str) -> datetime:
    """Return an RFC 3339 time of the API server."""
    return datetime.fromisoformat(text)


def format_time(value: datetime) -> str:
    """Return ``value`` as Kubernetes writes times: UTC, whole seconds, ``Z``."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_json(value: Any) -> Any:
    """Return dataclasses, tuples, enums, decimals, times as JSON values, without fields of None."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((key, getattr(value, name)) for key, name in _keys(type(value)))
        return {key: to_json(item) for key, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, timedelta):
        return format_duration(value)
    return format_time(value) if isinstance(value, datetime) else value


@cache
def _keys(cls: Any) -> tuple[tuple[str, str], ...]:
    """Return key and attribute of each field."""
    return tuple((camel(f.name), f.name) for f in fields(cls))


def from_json(cls: type[T], value: Any, path: str = "") -> T:
    """Return ``value`` as an instance of the dataclass ``cls``; keys unknown to it are ignored.

    Raises:
        DecodeError: a required key is missing, or a value does not fit its field.
    """
    if not isinstance(value, Mapping):
        raise DecodeError(f"{path or cls.__name__}: expected an object, found {value!r}")
    arguments: dict[str, Any] = {}
    for name, (key, kind, required) in _shape(typing.cast("Hashable", cls)).items():
        here = f"{path}.{key}" if path else key
        if value.get(key) is not None:
            arguments[name] = _convert(kind, value[key], here)
        elif required and _optional(kind):
            arguments[name] = None
        elif required:
            raise DecodeError(f"{here}: is required")
    return cls(**arguments)


@cache
def _shape(cls: Any) -> dict[str, tuple[str, Any, bool]]:
    hints = typing.get_type_hints(cls)
    return {
        f.name: (
            camel(f.name),
            hints[f.name],
            f.default is MISSING and f.default_factory is MISSING,
        )
        for f in fields(cls)
        if f.init
    }


def _optional(kind: Any) -> bool:
    return type(None) in get_args(kind)


@cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(kind), get_args(kind)


def _convert(kind: Any, value: Any, path: str) -> Any:
    origin, arguments = _parts(kind)
    if origin in (Union, types.UnionType):
        return _convert(next(a for a in arguments if a is not type(None)), value, path)
    try:
        if origin is tuple:
            if not isinstance(value, (list, tuple)):
                raise ValueError(f"expected a list, found {value!r}")
            return tuple(
                _convert(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(value)
            )
        if origin is not None and issubclass(origin, Mapping):
            return {
                key: _convert(arguments[1], item, f"{path}.{key}") for key, item in value.items()
            }
        if kind is Any:
            return value
        if is_dataclass(kind):
            return from_json(typing.cast("type[Any]", kind), value, path)
        return _scalar(kind, value)
    except (TypeError, AttributeError, InvalidOperation) as error:
        raise DecodeError(f"{path}: {value!r} does not fit ({error})") from error
    except DecodeError:
        raise
    except ValueError as error:
        raise DecodeError(f"{path}: {error}") from error


def _scalar(kind: Any, value: Any) -> Any:
    if kind is timedelta:
        return parse_duration(value)
    if kind is datetime:
        return parse_time(value)
    if kind is Decimal:
        number = Decimal(str(value))
        if not number.is_finite():
            raise ValueError(f"{value!r} is not a number")
        return number
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"expected {kind.__name__}, found {value!r}")
    return value
