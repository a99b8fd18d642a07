"""Rows of two files, of which one has the source and the other the target, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

from mt_contract.errors import DataError
from mt_corpus.lines import decoded, numbered
from mt_corpus.rows import Broken, Row


def rows(
    names: tuple[str, str],
    blocks: tuple[Iterable[bytes], Iterable[bytes]],
    part: str | None,
) -> Iterator[Row | Broken]:
    """Yield every line of both as a pair or as broken; ``part`` is the slice of all of them.

    Raises:
        DataError: one is damaged or empty, or one has more lines than the other.
    """
    counts = [0, 0]
    sides = [numbered(name, side) for name, side in zip(names, blocks, strict=True)]
    for both in zip_longest(*sides):
        counts = [before + (side is not None) for before, side in zip(counts, both, strict=True)]
        if None not in both:
            yield _row(both, names, part)
    if counts[0] != counts[1]:
        raise DataError(
            f"{names[0]} has {counts[0]:,} lines, {names[1]} has {counts[1]:,}: line by line they "
            "must be translations of each other; copy both again"
        )


def _row(
    both: tuple[tuple[int, bytes], ...], names: tuple[str, str], part: str | None
) -> Row | Broken:
    texts = [decoded(*side) for side in both]
    for text, name in zip(texts, names, strict=True):
        if isinstance(text, Broken):
            return Broken(text.line, f"{text.why} (in {name})")
    source, target = (str(text) for text in texts)
    return Row(both[0][0], source, target, part)
