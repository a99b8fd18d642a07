"""How much a JSON document would become in memory, known before it is parsed; pure.

A text takes about its own size. Two bytes such as ``{}`` take sixty, and a parser that makes a
million of them lets nothing else run meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MARKS = (b",", b"[", b"{")  # each value but the first comes after one
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_PIECE = 1 << 16  # bytes that are looked at in one go: others' turn comes between


def more_values_than(most: int, document: bytes) -> bool:
    """Return whether ``document`` has more than ``most`` values, keys of objects aside.

    What is no JSON is counted, too; its parser says what is wrong with it.
    """
    if not _above(most, (document,)):
        return False  # what stands in texts was counted, too
    return _above(most, _outside_of_texts(document))


def _above(most: int, parts: Iterator[bytes] | tuple[bytes, ...]) -> bool:
    count = 1
    for part in parts:
        for at in range(0, len(part), _PIECE):
            count += sum(part.count(mark, at, at + _PIECE) for mark in _MARKS)
            if count > most:
                return True
    return count > most


def _outside_of_texts(document: bytes) -> Iterator[bytes]:
    end = 0
    for text in _STRING.finditer(document):
        yield document[end : text.start()]
        end = text.end()
    yield document[end:]
