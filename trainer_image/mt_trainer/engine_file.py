"""What a CTranslate2 ``model.bin`` says of itself, read from its headers without its weights.

The layout is that of binary version 6: version, name and revision of the specification; then for
each variable its name, shape, type and bytes; then other names of the same variables. Numbers are
little endian, a text is its length and a zero byte at its end.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mt_contract.errors import BadArtifactError

BINARY_VERSION = 6
_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
_MOST_VARIABLES, _MOST_DIMENSIONS = 100_000, 8


@dataclass(frozen=True)
class Variable:
    """Shape and type of an array."""

    shape: tuple[int, ...]
    type: str


@dataclass(frozen=True)
class EngineFile:
    """What a model is made of.

    Attributes:
        specification: kind of the network; ``TransformerSpec`` has encoder and decoder.
        variables: by name.
    """

    specification: str
    variables: Mapping[str, Variable]

    @property
    def precision(self) -> str:
        """Return the type of the weights."""
        kinds = {v.type for name, v in self.variables.items() if name.endswith("/weight")}
        return next((kind for kind in _TYPES[1:] if kind in kinds), "float32")

    @property
    def positions(self) -> int | None:
        """Return how many positions both sides have; None: as many as are asked for."""
        tables = (
            self.variables.get(f"{side}/position_encodings/encodings")
            for side in ("encoder", "decoder")
        )
        return min((table.shape[0] for table in tables if table), default=None)


def read(path: Path) -> EngineFile:
    """Return what the file says.

    Raises:
        BadArtifactError: it is no such file, damaged, or of another version.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream, path)
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise BadArtifactError(
            f"{path} is not a whole CTranslate2 model ({error}): convert it again"
        ) from error


def _read(stream: BinaryIO, path: Path) -> EngineFile:
    (version,) = _numbers(stream, "I")
    if version != BINARY_VERSION:
        raise BadArtifactError(
            f"{path} has binary version {version}, this release reads {BINARY_VERSION}: convert "
            "the model again with CTranslate2 4"
        )
    specification = _text(stream)
    _revision, count = _numbers(stream, "II")
    if count > _MOST_VARIABLES:
        raise BadArtifactError(f"{path} names {count} variables: not a model")
    end = path.stat().st_size
    variables = dict(_variable(stream, end, path) for _ in range(count))
    for _ in range(*_numbers(stream, "I")):
        alias, name = _text(stream), _text(stream)
        if name in variables:
            variables[alias] = variables[name]
    return EngineFile(specification, variables)


def _variable(stream: BinaryIO, end: int, path: Path) -> tuple[str, Variable]:
    name = _text(stream)
    (rank,) = _numbers(stream, "B")
    if rank > _MOST_DIMENSIONS:
        raise BadArtifactError(f"{path}: {name} has {rank} dimensions: not a model")
    shape = _numbers(stream, "I" * rank)
    kind, size = _numbers(stream, "BI")
    if stream.seek(size, 1) > end:
        raise BadArtifactError(f"{path} ends in the middle of {name}: copy it again")
    return name, Variable(shape, _TYPES[kind])


def _text(stream: BinaryIO) -> str:
    (length,) = _numbers(stream, "H")
    return stream.read(length)[:-1].decode()


def _numbers(stream: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack("<" + form, stream.read(struct.calcsize("<" + form)))
