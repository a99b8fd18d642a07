"""Content of files as tests need it, packed or as tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import parquet


def zst(data: bytes) -> bytes:
    """Return ``data`` as zstd."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def table(**columns: Any) -> bytes:
    """Return columns as Parquet."""
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())
