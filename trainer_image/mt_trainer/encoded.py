"""Tokenised text: ids of all pairs in one file, mapped into memory, and batches of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import sentencepiece

from mt_trainer.tokenizer import BOS, EOS, PAD

_CHUNK = 8192  # lines given to SentencePiece at once


@dataclass(frozen=True)
class Batch:
    """Token ids of one batch, padded with PAD to its longest.

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
    """Pairs as token ids, without BOS and EOS.

    Attributes:
        tokens: ids of all sentences, source and target of each pair in turn.
        starts: ``[2 * pairs + 1]``, where each sentence begins in ``tokens``.
        over_long: pairs left out because a side has more tokens than the model takes.
    """

    tokens: np.ndarray
    starts: np.ndarray
    over_long: int

    @property
    def pairs(self) -> int:
        """Return how many pairs there are."""
        return len(self.starts) // 2

    @property
    def lengths(self) -> np.ndarray:
        """Return ``[pairs, 2]`` lengths of source and target in tokens, the end mark counted."""
        return np.diff(self.starts).reshape(-1, 2) + 1

    def batch(self, rows: np.ndarray) -> Batch:
        """Return the pairs at ``rows`` as padded arrays."""
        lengths = self.lengths_of(rows)
        width, height = int(lengths[:, 0].max()), int(lengths[:, 1].max())
        source = np.full((len(rows), width), PAD, np.int32)
        given, wanted = (np.full((len(rows), height), PAD, np.int32) for _ in range(2))
        given[:, 0] = BOS
        for i, row in enumerate(rows):
            a, b, c = self.starts[2 * row : 2 * row + 3]
            source[i, : b - a] = self.tokens[a:b]
            source[i, b - a] = EOS
            given[i, 1 : c - b + 1] = wanted[i, : c - b] = self.tokens[b:c]
            wanted[i, c - b] = EOS
        return Batch(source, given, wanted)

    def lengths_of(self, rows: np.ndarray) -> np.ndarray:
        """Return ``[len(rows), 2]`` lengths of some pairs, the end mark counted."""
        first = 2 * rows
        places = np.stack([first, first + 1, first + 2], 1)
        lengths: np.ndarray = np.diff(self.starts[places], axis=1) + 1
        return lengths


def encode(
    text: Path, processor: sentencepiece.SentencePieceProcessor, max_tokens: int, path: Path
) -> Encoded:
    """Tokenise ``source<TAB>target`` lines into the file ``path``, without over-long pairs."""
    starts, over_long, end = array("q", [0]), 0, 0
    kind = np.uint16 if processor.vocab_size() <= 2**16 else np.int32
    with text.open(encoding="utf-8", newline="\n") as lines, path.open("wb") as out:
        for source, target in _tokenised(lines, processor):
            if max(len(source), len(target)) >= max_tokens:
                over_long += 1
                continue
            out.write(np.asarray(source + target, kind).tobytes())
            starts.extend((end + len(source), end := end + len(source) + len(target)))
    tokens = np.memmap(path, kind, mode="r") if end else np.zeros(0, kind)
    return Encoded(tokens, np.frombuffer(starts, np.int64), over_long)


def _tokenised(
    lines: Iterator[str], processor: sentencepiece.SentencePieceProcessor
) -> Iterator[tuple[list[int], list[int]]]:
    while chunk := [line.rstrip("\n").split("\t") for line in islice(lines, _CHUNK)]:
        sources, targets = zip(*chunk, strict=True)
        yield from zip(
            processor.encode(list(sources)), processor.encode(list(targets)), strict=True
        )
