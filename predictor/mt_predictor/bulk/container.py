"""What is written: lines for lines, JSONL for TSV and JSONL, Parquet for Parquet; packed by name.

A part is a whole file of its own. Parts of text, and members of gzip and frames of zstd, one behind
the other are a file again; those of Parquet are written anew, in larger row groups.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mt_contract import storage
from mt_contract.errors import ConfigurationError
from mt_corpus import places, sniff
from mt_predictor.bulk.window import Done

if TYPE_CHECKING:
    import pyarrow as pa

CONTAINERS = {"Lines": "Lines", "TSV": "JSONL", "JSONL": "JSONL", "Parquet": "Parquet"}
_ENDINGS = {"JSONL": (".jsonl", ".ndjson", ".json"), "Parquet": (".parquet",)}
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_BLOCK = 1 << 20  # bytes copied at a time
_ROW_GROUP = 32 << 20  # bytes, before they are encoded
_DIGITS = 6  # of a score


@dataclass(frozen=True)
class Container:
    """How translations are written."""

    kind: str  # Lines | JSONL | Parquet
    packing: str | None = None  # gzip | zstd


def container(text_format: str, out: Path) -> Container:
    """Return what translations of a file are written as.

    Args:
        text_format: of the input.
        out: the file that is written; its name says how it is packed.

    Raises:
        ConfigurationError: the name promises something else.
    """
    kind = CONTAINERS[text_format]
    packing = _PACKED.get(places.suffix(out.name))
    plain = sniff.plain_name(out.name)
    promised = next((name for name, ends in _ENDINGS.items() if plain.endswith(ends)), None)
    if promised not in (None, kind) or (kind == "Parquet" and packing):
        wanted = _ENDINGS.get(kind, (".txt",))[0]
        raise ConfigurationError(
            f"--out {out}: translations of {text_format} are written as {kind}"
            f"{', which packs itself' if kind == 'Parquet' else ''}: end the name in {wanted}"
        )
    return Container(kind, packing)


def out_name(location: str, text_format: str) -> str:
    """Return the name of the output beside others: the input's, with an ending that holds."""
    name = places.path_of(location).rstrip("/").rpartition("/")[2]
    bare = name.removesuffix(".gz").removesuffix(".zst")
    packed = name[len(bare) :]
    if CONTAINERS[text_format] == "Parquet":
        return bare if bare.lower().endswith(".parquet") else f"{bare}.parquet"
    if text_format == "TSV":
        return f"{bare.removesuffix('.tsv')}.jsonl{packed}"
    return name


def encoded(lines: Sequence[Done], how: Container) -> bytes:
    """Return the part of a file that holds these lines."""
    if how.kind == "Parquet":
        return _parquet(lines)
    write = _flat if how.kind == "Lines" else _object
    data = "".join(f"{write(done)}\n" for done in lines).encode()
    if how.packing == "gzip":
        return gzip.compress(data, mtime=0)
    return _zstd(data) if how.packing == "zstd" else data


def _flat(done: Done) -> str:
    """Return a translation on one line, whatever its reader takes for a line end."""
    return " ".join(done.translation.text.splitlines())


def _object(done: Done) -> str:
    return json.dumps(_row(done), ensure_ascii=False)


def _row(done: Done) -> Mapping[str, Any]:
    translation = done.translation
    told = {
        "source": done.line.source,
        "translation": translation.text,
        "score": round(translation.score, _DIGITS),
    }
    return told | ({"error": done.why} if done.why else {})


def _zstd(data: bytes) -> bytes:
    import pyarrow as pa

    packed: bytes = pa.Codec("zstd").compress(data, asbytes=True)
    return packed


def _parquet(lines: Sequence[Done]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pylist([dict(_row(done)) for done in lines], schema=_schema())
    written = io.BytesIO()
    parquet.write_table(table, written, compression="zstd")
    return written.getvalue()


def _schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    return pa.schema({"source": text, "translation": text, "score": pa.float64(), "error": text})


def join(parts: Iterable[Path], out: Path, how: Container) -> None:
    """Write the file of all ``parts``, in order, seen whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    if how.kind != "Parquet":
        storage.write_aside(out, _blocks(parts))
        return
    from pyarrow import parquet

    with (
        storage.placed(out) as aside,
        parquet.ParquetWriter(aside, _schema(), compression="zstd") as writer,
    ):
        for table in _tables(parts):
            writer.write_table(table)


def _blocks(parts: Iterable[Path]) -> Iterator[bytes]:
    for part in parts:
        with part.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block


def _tables(parts: Iterable[Path]) -> Iterator[pa.Table]:
    """Yield the rows of ``parts`` in tables large enough for a row group."""
    import pyarrow as pa
    from pyarrow import parquet

    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(parquet.read_table(part))
        if sum(table.nbytes for table in waiting) >= _ROW_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
