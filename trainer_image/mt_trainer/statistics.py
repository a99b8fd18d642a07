"""Statistics of parallel text, in tables of a fixed size however long the text is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

SIDES = ("source", "target")
TRAITS = ("nearEmpty", "digits", "urls", "htmlTags")  # that a sentence has or lacks
SCRIPTS = (
    *("Latin", "Cyrillic", "Greek", "Armenian", "Georgian", "Hebrew", "Arabic", "Ethiopic"),
    *("Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada"),
    *("Malayalam", "Sinhala", "Thai", "Lao", "Tibetan", "Myanmar", "Khmer", "Mongolian"),
    *("Hangul", "Hiragana", "Katakana", "Han", "Other"),
)
_KINDS = (*SCRIPTS, "digits", "spaces", "punctuation", "symbols", "marks", "rest")
_CATEGORIES = {"N": "digits", "Z": "spaces", "P": "punctuation", "S": "symbols", "M": "marks"}
_UNKNOWN = 255

_LONGEST = 4096  # characters; longer sentences are counted as this long
_NEAR_EMPTY = 2  # characters
LENGTHS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
RATIOS = (0.2, 0.33, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
_PERCENTILES = (1, 5, 50, 95, 99)
_URL = re.compile(r"://|www\.")
_TAG = re.compile(r"</?[A-Za-z][^<>\t\n]*>")


class Statistics:
    """What is counted of pairs, side by side, as they go by."""

    def __init__(self) -> None:
        self.pairs = 0
        self._lengths = np.zeros((2, _LONGEST + 1), np.int64)
        self._characters = np.zeros((2, len(_KINDS)), np.int64)
        self._scripts = np.zeros((2, len(SCRIPTS)), np.int64)  # sentences most of whose letters …
        self._traits = np.zeros((2, len(TRAITS)), np.int64)
        self._ratios = np.zeros(len(RATIOS) + 1, np.int64)
        self._first_of_script = np.full((2, len(SCRIPTS)), -1)  # row; -1: none
        self._first_of_trait = np.full((2, len(TRAITS)), -1)

    def add(self, text: str, rows: np.ndarray) -> None:
        """Count some pairs.

        Args:
            text: ``source<TAB>target`` lines.
            rows: their numbers, by which the first of a kind is named.
        """
        if not len(rows):
            return
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        ends = np.flatnonzero((codes == ord("\t")) | (codes == ord("\n")))
        lengths = np.diff(ends, prepend=-1) - 1
        # kinds[sentence, kind]: characters; the mark at a sentence's end is no part of it.
        sentence = np.repeat(np.arange(len(ends)), lengths + 1)
        kinds = _counted(sentence, _kinds_of(codes), (len(ends), len(_KINDS)))
        kinds[:, _KINDS.index("rest")] -= 1
        letters = kinds[:, : len(SCRIPTS)]
        script = np.where(letters.any(1), letters.argmax(1), -1)
        traits = np.zeros((len(ends), len(TRAITS)), bool)
        traits[:, 0] = lengths <= _NEAR_EMPTY
        traits[:, 1] = kinds[:, _KINDS.index("digits")] > 0
        traits[np.searchsorted(ends, [m.start() for m in _URL.finditer(text)]), 2] = True
        traits[np.searchsorted(ends, [m.start() for m in _TAG.finditer(text)]), 3] = True
        for side in range(2):
            own = slice(side, None, 2)
            self._lengths[side] += np.bincount(
                np.minimum(lengths[own], _LONGEST), minlength=_LONGEST + 1
            )
            self._characters[side] += kinds[own].sum(0)
            of_script = script[own, None] == np.arange(len(SCRIPTS))
            _count(of_script, rows, self._scripts[side], self._first_of_script[side])
            _count(traits[own], rows, self._traits[side], self._first_of_trait[side])
        ratios = lengths[1::2] / np.maximum(lengths[::2], 1)
        self._ratios += np.bincount(np.searchsorted(RATIOS, ratios), minlength=len(RATIOS) + 1)
        self.pairs += len(rows)

    def document(self, where: Callable[[int], str]) -> dict[str, Any]:
        """Return all of it as JSON.

        A histogram counts x in the first bucket whose bound is at least x, in the last one beyond
        all bounds.

        Args:
            where: names the place of a row.
        """
        ratio = {"bounds": list(RATIOS), "counts": self._ratios.tolist()}
        sides = {name: self._side(number, where) for number, name in enumerate(SIDES)}
        return {"pairs": self.pairs, **sides, "characterRatio": ratio}

    def _side(self, side: int, where: Callable[[int], str]) -> dict[str, Any]:
        scripts, characters = self._scripts[side], self._characters[side]
        found = {
            "characters": lengths(self._lengths[side], LENGTHS),
            "scripts": _named(SCRIPTS, scripts),
            "characterKinds": _named(_KINDS, characters),
        }
        for number, trait in enumerate(TRAITS):
            count = int(self._traits[side, number])
            found[trait] = {"count": count, "share": _share(count, self.pairs)}
            if count:
                found[trait]["first"] = where(int(self._first_of_trait[side, number]))
        found["firstOfScript"] = {
            name: where(int(row))
            for name, row in zip(SCRIPTS, self._first_of_script[side], strict=True)
            if row >= 0
        }
        return found


def lengths(counts: np.ndarray, bounds: Sequence[int]) -> dict[str, Any]:
    """Return mean, percentiles and histogram of whole numbers.

    Args:
        counts: ``[longest + 1]``, how often each number is there.
        bounds: upper ends of the histogram's buckets.
    """
    number = int(counts.sum())
    if not number:
        return {"bounds": list(bounds), "counts": [0] * (len(bounds) + 1)}
    known = np.flatnonzero(counts)
    below = np.cumsum(counts)
    buckets = np.bincount(
        np.searchsorted(bounds, np.arange(len(counts))), counts, len(bounds) + 1
    ).astype(int)
    return {
        "mean": round(float((counts * np.arange(len(counts))).sum() / number), 2),
        "min": int(known[0]),
        **{f"p{p}": int(np.searchsorted(below, p / 100 * number)) for p in _PERCENTILES},
        "max": int(known[-1]),
        "bounds": list(bounds),
        "counts": buckets.tolist(),
    }


def _counted(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a table of how often each row and column meet."""
    found: np.ndarray = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1])
    return found.reshape(shape)


def _count(has: np.ndarray, rows: np.ndarray, counts: np.ndarray, first: np.ndarray) -> None:
    """Add ``has`` [pairs, things] to ``counts`` [things], and note the first row of each thing."""
    counts += has.sum(0)
    new = (first < 0) & has.any(0)
    first[new] = rows[has.argmax(0)[new]]


def _named(names: tuple[str, ...], counts: np.ndarray) -> dict[str, int]:
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _share(count: int, of: int) -> float:
    return round(count / max(of, 1), 6)


_table = np.full(0x110000, _UNKNOWN, np.uint8)  # kind of each character, filled in as they come


def _kinds_of(codes: np.ndarray) -> np.ndarray:
    kinds: np.ndarray = _table[codes]
    if (unknown := kinds == _UNKNOWN).any():
        for code in np.unique(codes[unknown]):
            _table[code] = _KINDS.index(_kind(chr(code)))
        kinds = _table[codes]
    return kinds


def _kind(character: str) -> str:
    """Return the kind of a character; a letter's script begins its name in Unicode's tables."""
    category = unicodedata.category(character)[0]
    if category != "L":
        return _CATEGORIES.get(category, "rest")
    word = unicodedata.name(character, "Other").removeprefix("FULLWIDTH ").split()[0]
    script = {"CJK": "Han"}.get(word, word.capitalize())
    return script if script in SCRIPTS else "Other"
