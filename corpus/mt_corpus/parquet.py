"""Rows of Parquet, a few thousand at a time; the columns are named (``translation.pt``: inside)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from mt_contract.errors import DataError
from mt_contract.resource import Fields
from mt_corpus.lines import MAX_LINE
from mt_corpus.rows import Broken, Row

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 2048  # rows
_BUFFER = 1 << 20  # bytes of a column that are read at a time


def rows(name: str, stream: BinaryIO, fields: Fields, part: str | None) -> Iterator[Row | Broken]:
    """Yield every row as a pair or as broken; ``part`` is the slice of those that name none.

    Raises:
        DataError: the file is damaged or empty, or has no such columns.
    """
    names = [column for column in (fields.source, fields.target, fields.slice) if column]
    for line, values in _numbered(name, stream, names):
        yield _row(line, values, part)


def texts(name: str, stream: BinaryIO, column: str) -> Iterator[Row | Broken]:
    """Yield the text of a column in every row, or what is broken.

    Raises:
        DataError: the file is damaged or empty, or has no such column.
    """
    for line, (value,) in _numbered(name, stream, [column]):
        yield _row(line, (value, None), None)


def _numbered(
    name: str, stream: BinaryIO, columns: list[str]
) -> Iterator[tuple[int, tuple[str | bytes | None, ...]]]:
    """Yield (number from 1, values of ``columns``) of every row."""
    import pyarrow as pa
    from pyarrow import parquet

    line = 0
    try:
        file = parquet.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False)
        _check_columns(name, file.schema_arrow, columns)
        for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
            for values in zip(*(_values(batch, column) for column in columns), strict=True):
                line += 1
                yield line, values
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # not Arrow's own
            raise
        raise DataError(
            f"{name}, after row {line}: is damaged Parquet, or cut off ({error}): copy it again"
        ) from error
    if not line:
        raise DataError(f"{name} is empty: name a file that holds text")


def _check_columns(name: str, schema: pa.Schema, columns: list[str]) -> None:
    for column in columns:
        kind = _kind(schema, column)
        if kind is None:
            raise DataError(
                f"{name} has no column '{column}' but {', '.join(schema.names):.200}: name them in "
                "spec.data.fields"
            )
        if not _is_text(kind):
            raise DataError(f"{name}: the column '{column}' is {kind}, not text: name another one")


def _kind(schema: pa.Schema, column: str) -> pa.DataType | None:
    """Return the type of a column, or of what a path through structures leads to."""
    import pyarrow as pa

    if column in schema.names:
        return schema.field(column).type
    head, *rest = column.split(".")
    if head not in schema.names:
        return None
    kind = schema.field(head).type
    for step in rest:
        if not pa.types.is_struct(kind) or kind.get_field_index(step) < 0:
            return None
        kind = kind.field(step).type
    return kind


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary())
    return kind in text or pa.types.is_null(kind)


def _values(batch: pa.RecordBatch, column: str) -> list[str | bytes | None]:
    """Return a column's texts; all of them as bytes where one is not UTF-8."""
    import pyarrow as pa
    from pyarrow import compute

    if column in batch.schema.names:
        values = batch.column(column)
    else:
        head, *rest = column.split(".")
        values = compute.struct_field(batch.column(head), rest)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        return list(values.to_numpy(zero_copy_only=False))
    except UnicodeDecodeError:
        return values.cast(pa.large_binary()).to_pylist()  # type: ignore[no-any-return]


def _row(line: int, values: tuple[str | bytes | None, ...], part: str | None) -> Row | Broken:
    try:
        source, target, *own = (
            value if isinstance(value, str) else (value or b"").decode() for value in values
        )
    except UnicodeDecodeError as error:
        return Broken(line, f"not UTF-8 at byte {error.start}")
    if len(source) + len(target) > MAX_LINE:
        return Broken(line, f"longer than {MAX_LINE:,} characters")
    return Row(line, source, target, (own[0] if own else None) or part)
