"""A made-up language and its translation: any number of pairs, the same for the same seed.

Words are as frequent as in real text (Zipf), sentences as long (lognormal, 11 words on average); a
translation has the same words in another spelling, some of them moved or left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

_WORDS = 40_000
_CHUNK = 20_000  # pairs made at once
_SOURCE, _TARGET = ("bcdfglmnprstv", "aeio"), ("khjlmnprstvy", "äeiöu")  # consonants, vowels


def write(path: Path, pairs: int, seed: int) -> None:
    """Write ``source<TAB>target`` lines."""
    chance = np.random.default_rng(seed)
    source, target = (_spelled(chance, *letters) for letters in (_SOURCE, _TARGET))
    shares = 1 / (np.arange(_WORDS) + 2.7)
    heights = np.cumsum(shares / shares.sum())
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for first in range(0, pairs, _CHUNK):
            count = min(_CHUNK, pairs - first)
            lengths = np.clip(chance.lognormal(2.25, 0.55, count).astype(int), 1, 60)
            words = np.searchsorted(heights, chance.random(lengths.sum())).tolist()
            ends = np.cumsum(lengths).tolist()
            dropped, moved = chance.random((2, count)) < 0.3
            for begin, end, drop, move in zip([0, *ends], ends, dropped, moved, strict=False):
                part = words[begin:end]
                told = part[:-1] if drop and len(part) > 3 else part
                told = told[-1:] + told[:-1] if move else told
                lines.write(f"{_sentence(source, part)}\t{_sentence(target, told)}\n")


def _sentence(words: list[str], chosen: list[int]) -> str:
    return " ".join([words[word] for word in chosen]).capitalize() + "."


def _spelled(chance: np.random.Generator, consonants: str, vowels: str) -> list[str]:
    """Return different words, the frequent ones short."""
    syllables = [consonant + vowel for consonant in consonants for vowel in vowels]
    found: dict[str, None] = {}
    while len(found) < _WORDS:
        length = 1 + int(0.4 * np.log2(1 + len(found) / 40) + chance.random())
        found["".join(syllables[i] for i in chance.integers(0, len(syllables), length))] = None
    return list(found)
