"""Long text in pieces that the model can read, and their translations in one text again.

A text is cut at line ends, always: they stay as they are. A line that is longer than the model
reads is cut into sentences, a sentence that still is into runs of tokens. Nothing is left out.
Every expression here is linear in the text's length, whatever the text: it comes from strangers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

WORD = "\u2581"  # SentencePiece marks the beginning of a word with it
_LINE_ENDS = re.compile("([\r\n\v\f\x85\u2028\u2029]+)")
# Marks, quotes that close, white space; in Chinese and Japanese no white space follows. The look
# behind lets a run of marks be looked at once, not once from each of its marks.
_SENTENCE_END = re.compile(
    r"(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019\u00bb)\]]*+(\s++)"
    r"|(?<![\u3002\uff01\uff1f])[\u3002\uff01\uff1f]++[\u201d\u2019\u300d\u300f\uff09]*+(\s*+)"
)
_ENCODED_AT_ONCE = 8192  # characters; more would hold up other requests' threads
_CLAUSE_MARKS = frozenset(",;:\u2013\u2014\u3001\uff0c\uff1a\uff1b")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")

Encode = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Segment:
    """Tokens that are translated at once, without end mark."""

    pieces: tuple[str, ...]


Part = Segment | str  # a string stands in the translation as it is
Plan = tuple[Part, ...]


def split(text: str, encode: Encode, limit: int) -> Iterator[Part]:
    """Yield the segments of ``text`` and what stands between them, in order.

    It is lazy, so that a caller may stop at a text that is too long.

    Args:
        text: any text.
        encode: returns the pieces of a text; none for a blank one.
        limit: pieces that a segment may have at most.
    """
    for number, part in enumerate(_LINE_ENDS.split(text)):
        if number % 2:
            yield part
        elif part:
            yield from _line(part, encode, limit)


def join(plan: Plan, translations: Sequence[str]) -> str:
    """Return one text of the segments' translations, in order."""
    rest = iter(translations)
    return "".join(part if isinstance(part, str) else next(rest) for part in plan)


def byte_pieces(pieces: Sequence[str]) -> int:
    """Return how many pieces are single bytes of what the vocabulary cannot express."""
    return sum(_BYTE.fullmatch(piece) is not None for piece in pieces if piece[:1] == "<")


def _line(line: str, encode: Encode, limit: int) -> Iterator[Part]:
    if len(line) <= _ENCODED_AT_ONCE:
        pieces = tuple(encode(line))
        if len(pieces) <= limit:
            if pieces:
                yield Segment(pieces)
            return
    for sentence, gap in _sentences(line):
        for block, space in _blocks(sentence):
            yield from _runs(tuple(encode(block)), limit)
            if space:
                yield " "
        if gap:
            yield " "


def _sentences(line: str) -> Iterator[tuple[str, str]]:
    """Yield each sentence and the white space after it; an initial's full stop may end one, too."""
    begin = 0
    for found in _SENTENCE_END.finditer(line):
        gap = found[1] or found[2] or ""
        if line[found.end() : found.end() + 1].islower():  # "etc. and so on"
            continue
        yield line[begin : found.end() - len(gap)], gap
        begin = found.end()
    if begin < len(line):
        yield line[begin:], ""


def _blocks(sentence: str) -> Iterator[tuple[str, str]]:
    """Yield ``sentence`` in blocks that are encoded in no time, and the space after each."""
    begin = 0
    while len(sentence) - begin > _ENCODED_AT_ONCE:
        end = begin + _ENCODED_AT_ONCE
        space = sentence.rfind(" ", begin + 1, end)
        yield (sentence[begin:space], " ") if space > 0 else (sentence[begin:end], "")
        begin = space + 1 if space > 0 else end
    yield sentence[begin:], ""


def _runs(pieces: tuple[str, ...], limit: int) -> Iterator[Part]:
    if len(pieces) <= limit:
        if pieces:
            yield Segment(pieces)
        return
    # A translation may be longer than its source and has the same limit, so runs leave it room.
    room = max(1, limit * 3 // 4)
    begin = 0
    while begin < len(pieces):
        rest = len(pieces) - begin
        end = len(pieces) if rest <= limit else _cut(pieces, begin, begin + room)
        yield Segment(pieces[begin:end])
        if end < len(pieces) and pieces[end].startswith(WORD):
            yield " "
        begin = end


def _cut(pieces: tuple[str, ...], begin: int, end: int) -> int:
    """Return where a run of at most ``end - begin`` pieces ends best, in its second half."""
    places = [at for at in range(end, (begin + end) // 2, -1) if pieces[at].startswith(WORD)]
    after_mark = (at for at in places if pieces[at - 1][-1] in _CLAUSE_MARKS)
    if place := next(after_mark, places[0] if places else 0):
        return place
    at = end
    while at > begin + 1 and end - at < 3 and _continues_character(pieces[at]):
        at -= 1
    return at


def _continues_character(piece: str) -> bool:
    """Return whether ``piece`` is a byte of UTF-8 that is not its character's first."""
    found = _BYTE.fullmatch(piece)
    return found is not None and 0x80 <= int(found[1], 16) < 0xC0
