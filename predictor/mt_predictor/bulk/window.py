"""One window translated: a result for every line, also for those that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mt_predictor.bulk.windows import Line, Window
from mt_predictor.translator import NOTHING, TextRefusedError, Translation

Translate = Callable[[Sequence[str]], Sequence[Translation]]
Check = Callable[[str], object]


class Done(NamedTuple):
    """What became of one line."""

    line: Line
    translation: Translation  # NOTHING where there is none
    why: str = ""  # there is none; empty where there is, and for an empty line


def translated(window: Window, translate: Translate, check: Check) -> tuple[Done, ...]:
    """Return what became of each line of ``window``, in order.

    Args:
        window: the lines.
        translate: returns the translations of texts, or raises for all of them.
        check: raises TextRefusedError for a text that is not translated.
    """
    readable = [line for line in window if not line.why]
    found = iter(_each(readable, translate, check))
    return tuple(Done(line, NOTHING, line.why) if line.why else next(found) for line in window)


def _each(lines: Sequence[Line], translate: Translate, check: Check) -> Sequence[Done]:
    """Return what became of each of ``lines``; where the engine fails, of each half by itself."""
    texts = [line.source for line in lines]
    try:
        return [Done(*pair) for pair in zip(lines, translate(texts), strict=True)]
    except TextRefusedError:
        return _without_refused(lines, translate, check)
    except RuntimeError as error:
        if len(lines) == 1:
            return [Done(lines[0], NOTHING, f"the engine cannot translate it ({error})")]
    middle = len(lines) // 2
    halves = (lines[:middle], lines[middle:])
    return [done for half in halves for done in _each(half, translate, check)]


def _without_refused(lines: Sequence[Line], translate: Translate, check: Check) -> Sequence[Done]:
    refused = {line.number: why for line in lines if (why := _refusal(line.source, check))}
    rest = iter(_each([one for one in lines if one.number not in refused], translate, check))
    return [
        Done(line, NOTHING, refused[line.number]) if line.number in refused else next(rest)
        for line in lines
    ]


def _refusal(text: str, check: Check) -> str:
    try:
        check(text)
    except TextRefusedError as error:
        return str(error)
    return ""
