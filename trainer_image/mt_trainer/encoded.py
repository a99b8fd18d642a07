"""Tokenised text: ids of all pairs in files that are mapped into memory, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import sentencepiece

from mt_trainer import packing
from mt_trainer.tokenizer import BOS, EOS, PAD

_CHUNK = 8192  # lines given to SentencePiece at once


@dataclass(frozen=True)
class Batch:
    """Token ids of one batch. A row holds a pair, or several one behind the other, and then PAD.

    Attributes:
        source: ``[rows, source length]``, each sentence ended by EOS.
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

    def batch(self, pairs: np.ndarray, shape: tuple[int, int, int] | None = None) -> Batch:
        """Return pairs as padded arrays.

        Args:
            pairs: which, in the order in which they are laid.
            shape: rows, source and target tokens of the arrays, each row of which then holds as
                many pairs as fit, and an empty sentence, of which nothing is wanted, where no pair
                is left; None: a row for each pair, as long as the longest.
        """
        lengths = self.lengths[pairs].astype(np.int64)
        row = np.arange(len(pairs))
        if shape is None:
            width, height = lengths.max(0)
            shape = (len(pairs), int(width), int(height))
        else:
            row = packing.rows(lengths, *shape[1:])
        source = np.full(shape[:2], PAD, np.int32)
        given, wanted = (np.full((shape[0], shape[2]), PAD, np.int32) for _ in range(2))
        source[:, 0], given[:, 0] = EOS, BOS
        starts = self.starts[pairs]
        before = np.cumsum(lengths, 0) - lengths
        columns = before - before[np.searchsorted(row, row)]
        self._lay(source, starts, lengths[:, 0], row, columns[:, 0])
        self._lay(wanted, starts + lengths[:, 0] - 1, lengths[:, 1], row, columns[:, 1])
        given[:, 1:] = np.where(wanted[:, :-1] == EOS, PAD, wanted[:, :-1])
        given[row, columns[:, 1]] = BOS
        return Batch(source, given, wanted)

    def _lay(
        self,
        ids: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
        row: np.ndarray,
        columns: np.ndarray,
    ) -> None:
        """Write each sentence, and EOS behind it, into its row of ``ids`` from its column on."""
        which, place = _spread(lengths - 1)
        ids[row[which], columns[which] + place] = self.tokens[starts[which] + place]
        ids[row, columns + lengths - 1] = EOS


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
