"""Fit pairs on disk: their text, and beside it what is needed to sift them without reading it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path
from zlib import crc32

import numpy as np

from mt_corpus.files import File
from mt_corpus.rows import Row
from mt_trainer.clean import SAMPLES, FileCount, Held, Limits, Reject, Sample, clean_rows
from mt_trainer.encoded import mapped

_CHUNK = 8192  # rows


@dataclass(frozen=True)
class Spool:
    """Fit pairs of several files, in their order; the arrays are mapped files.

    Attributes:
        text: ``source<TAB>target`` lines.
        pairs: ``[rows]`` 64 bits that stand for a pair, in this process.
        sources: ``[rows]`` 32 bits of each source, the same anywhere.
        lines: ``[rows]``, the line in its file.
        ends: rows up to the end of each file.
        counts: of each file.
    """

    text: Path
    pairs: np.ndarray
    sources: np.ndarray
    lines: np.ndarray
    ends: tuple[int, ...]
    counts: tuple[FileCount, ...]

    def where(self, row: int) -> str:
        """Return the file and line of a row."""
        return f"{self.counts[bisect_right(self.ends, row)].uri} line {self.lines[row]}"

    def chosen(self, mask: np.ndarray) -> Iterator[tuple[list[bytes], np.ndarray]]:
        """Yield the lines that a mask chooses, and which rows they are, some thousand at once."""
        with self.text.open("rb") as lines:
            for first in range(0, len(mask), _CHUNK):
                wanted = mask[first : first + _CHUNK]
                chunk = list(islice(lines, _CHUNK))
                yield list(compress(chunk, wanted)), first + np.flatnonzero(wanted)

    def count_duplicates(self, keep: np.ndarray) -> None:
        """Count the rows that a mask does not keep, file by file, with the first of them."""
        for first, last, count in zip((0, *self.ends), self.ends, self.counts, strict=False):
            number = last - first - int(np.count_nonzero(keep[first:last]))
            row = first - 1
            for _ in range(min(number, SAMPLES)):
                row += 1 + int(np.argmin(keep[row + 1 : last]))
                sample = Sample.of(int(self.lines[row]), *self._pair(row))
                count.reject(Reject.DUPLICATE, sample)
            if number:
                count.rejected[Reject.DUPLICATE] = number

    def _pair(self, row: int) -> tuple[str, str]:
        with self.text.open("rb") as lines:
            source, target = next(islice(lines, row, None)).decode().rstrip("\n").split("\t")
        return source, target


def spool(files: Sequence[File], limits: Limits, path: Path, held: Held | None = None) -> Spool:
    """Read and clean files, and lay their fit pairs down in ``path`` and files beside it.

    Raises:
        DataError: a file is broken.
        StorageError: a file could not be read.
    """
    kinds = {".pairs": np.int64, ".sources": np.uint32, ".lines": np.int64}
    counts, ends, rows = [], [], 0
    with ExitStack() as stack:
        text = stack.enter_context(path.open("wb"))
        beside = [stack.enter_context(path.with_suffix(suffix).open("wb")) for suffix in kinds]
        for file in files:
            counts.append(FileCount(file.uri))
            fit = clean_rows(file, limits, counts[-1], held)
            while chunk := list(islice(fit, _CHUNK)):
                text.write("".join([f"{row[1]}\t{row[2]}\n" for row in chunk]).encode())
                for stream, numbers in zip(beside, _numbers(chunk), strict=True):
                    numbers.tofile(stream)
                rows += len(chunk)
            ends.append(rows)
    arrays = [mapped(path.with_suffix(suffix), np.dtype(kind)) for suffix, kind in kinds.items()]
    return Spool(path, arrays[0], arrays[1], arrays[2], tuple(ends), tuple(counts))


def _numbers(chunk: Sequence[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Python's own hash is keyed anew in each process: good for finding equals, and several times
    # faster than any other at hand. What must come out the same in the next attempt takes the CRC.
    return (
        np.array([hash((row.source, row.target)) for row in chunk], np.int64),
        np.array([crc32(row.source.encode()) for row in chunk], np.uint32),
        np.array([row.line for row in chunk], np.int64),
    )
