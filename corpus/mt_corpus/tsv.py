"""Rows of ``source<TAB>target``, one a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mt_corpus import lines
from mt_corpus.lines import decoded, numbered
from mt_corpus.rows import Broken, Row

_OTHER_SEPARATORS = {";": "semicolons", ",": "commas", "|": "bars", "   ": "spaces"}


def rows(name: str, blocks: Iterable[bytes], part: str | None) -> Iterator[Row | Broken]:
    """Yield every line as a pair or as broken; ``part`` is the slice of all of them.

    Raises:
        DataError: the file is damaged or empty.
    """
    for number, data in numbered(name, blocks):
        text = decoded(number, data)
        yield _row(number, text, part) if isinstance(text, str) else text


def texts(name: str, blocks: Iterable[bytes]) -> Iterator[Row | Broken]:
    """Yield the first column of every line, whatever follows it, or what is broken.

    Raises:
        DataError: the file is damaged or empty.
    """
    for found in lines.texts(name, blocks):
        if isinstance(found, Row):
            yield found._replace(source=found.source.partition("\t")[0])
        else:
            yield found


def _row(number: int, text: str, part: str | None) -> Row | Broken:
    columns = text.split("\t")
    if len(columns) == 2:
        return Row(number, columns[0], columns[1], part)
    if not text.strip():
        return Row(number, "", "", part)
    if len(columns) > 2 and not "".join(columns[2:]).strip():
        return Row(number, columns[0], columns[1], part, "empty columns after the second")
    return Broken(number, f"{len(columns)} columns instead of 2 (source<TAB>target){_hint(text)}")


def _hint(text: str) -> str:
    """Say what seems to separate the columns where no tab does."""
    if "\t" in text:
        return ""
    found = next((name for mark, name in _OTHER_SEPARATORS.items() if text.count(mark) == 1), None)
    return f"; are they separated by {found}?" if found else ""
