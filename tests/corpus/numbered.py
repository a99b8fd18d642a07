"""Text whose every row says its number, so that none is lost, doubled or swapped unnoticed."""

from __future__ import annotations

from mt_corpus.files import File
from mt_corpus.reading import read_rows
from mt_corpus.rows import Row

ROWS, MANY = 5_000, 100_000
TEXT, LONG = (
    "".join(f"frase {n}\tsentence {n}\n" for n in range(rows)).encode() for rows in (ROWS, MANY)
)
MIDDLE = len(LONG) // 2  # more than sockets and buffers hold: what is cut there was read before


def read(uri: str) -> int:
    """Return how many pairs there are, if they are those of TEXT or LONG."""
    rows = list(read_rows(File(uri, uri)))
    assert rows == [Row(n + 1, f"frase {n}", f"sentence {n}") for n in range(len(rows))]
    return len(rows)
