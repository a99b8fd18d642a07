"""Tokenised text: ids of all pairs in files that are mapped into memory, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import sentencepiece

from mt_trainer.tokenizer import BOS, EOS, PAD

_CHUNK = 8192  # lines given to SentencePiece at once


@dataclass(frozen=True)
class Batch:
    """Token ids of one batch, padded with PAD.

    Attributes:
        source: ``[rows, source length]``, each row ended by EOS.
        given: ``[rows, target length]``, what the decoder sees: BOS, then the target.
        wanted: ``[rows, target length]``, what it is to say: the target, then EOS.
    """

    source: np.ndarray
    given: np.ndarray
    wanted: np.ndarray


@dataclass(frozen=True)
class Encoded:
    """Pairs as token ids, without BOS and EOS. The arrays are mapped files where they are large.

    Attributes:
        tokens: ids of all sentences, source and target of each pair in turn.
        starts: ``[pairs]``, where each pair begins in ``tokens``.
        lengths: ``[pairs, 2]`` tokens of source and target, the end mark counted.
        over_long: pairs left out because a side has more tokens than the model takes.
    """

    tokens: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    over_long: int

    @property
    def pairs(self) -> int:
        """Return how many pairs there are."""
        return len(self.starts)

    def batch(self, rows: np.ndarray, shape: tuple[int, int, int] | None = None) -> Batch:
        """Return the pairs at ``rows`` as padded arrays.

        Args:
            rows: which pairs.
            shape: rows, source and target tokens of the arrays, where they are given; a row without
                a pair holds an empty sentence, and nothing is wanted of it.
        """
        lengths = self.lengths[rows].astype(np.int64)
        if shape is None:
            width, height = lengths.max(0)
            shape = (len(rows), int(width), int(height))
        source = np.full(shape[:2], PAD, np.int32)
        given, wanted = (np.full((shape[0], shape[2]), PAD, np.int32) for _ in range(2))
        source[:, 0], given[:, 0] = EOS, BOS
        starts = self.starts[rows]
        self._lay(source, starts, lengths[:, 0])
        self._lay(wanted, starts + lengths[:, 0] - 1, lengths[:, 1])
        row, place = _spread(lengths[:, 1] - 1)
        given[row, place + 1] = wanted[row, place]
        return Batch(source, given, wanted)

    def _lay(self, ids: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> None:
        """Write a sentence into each row of ``ids``, and EOS behind it."""
        row, place = _spread(lengths - 1)
        ids[row, place] = self.tokens[starts[row] + place]
        ids[np.arange(len(lengths)), lengths - 1] = EOS


def encode(
    text: Path, processor: sentencepiece.SentencePieceProcessor, max_tokens: int, path: Path
) -> Encoded:
    """Tokenise ``source<TAB>target`` lines into files beside ``path``, without over-long pairs."""
    starts, lengths = path.with_suffix(".starts"), path.with_suffix(".lengths")
    kind = np.dtype(np.uint16 if processor.vocab_size() <= 2**16 else np.int32)
    over_long = end = 0
    with (
        text.open(encoding="utf-8", newline="\n") as lines,
        path.open("wb") as ids,
        starts.open("wb") as beginnings,
        lengths.open("wb") as sizes,
    ):
        while chunk := [line.rstrip("\n").split("\t") for line in islice(lines, _CHUNK)]:
            found = [pair for pair in _tokenised(chunk, processor) if _fits(pair, max_tokens)]
            over_long += len(chunk) - len(found)
            if not found:
                continue
            own = np.array([(len(source), len(target)) for source, target in found], np.int64)
            flat = [piece for pair in found for side in pair for piece in side]
            np.array(flat, kind).tofile(ids)
            (end + np.cumsum(own.sum(1)) - own.sum(1)).tofile(beginnings)
            (own + 1).astype(np.int32).tofile(sizes)
            end += len(flat)
    return Encoded(
        mapped(path, kind),
        mapped(starts, np.dtype(np.int64)),
        mapped(lengths, np.dtype(np.int32)).reshape(-1, 2),
        over_long,
    )


def mapped(path: Path, kind: np.dtype) -> np.ndarray:
    """Return the numbers in a file, which the system reads when, and keeps while, it sees fit."""
    if not path.stat().st_size:
        return np.zeros(0, kind)
    return np.memmap(path, kind, mode="r")


def _tokenised(
    chunk: Sequence[Sequence[str]], processor: sentencepiece.SentencePieceProcessor
) -> Iterator[tuple[list[int], list[int]]]:
    sources, targets = ([row[side] for row in chunk] for side in (0, 1))
    return zip(processor.encode(sources), processor.encode(targets), strict=True)


def _fits(pair: tuple[list[int], list[int]], max_tokens: int) -> bool:
    return max(len(pair[0]), len(pair[1])) < max_tokens


def _spread(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of ``counts.sum()`` things which count it is of, and its number in it."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
