"""The text that all contestants of `training-throughput` train on: the same pieces for each.

``python -m benchmarks.peers_text CORPUS FOLDER SIZE`` runs in the trainer's environment and leaves
in FOLDER: ``tokens.npz`` (ids, source and target in turn, and their ``lengths``), ``train.src`` and
``train.trg`` (pieces, parted by spaces, a sentence a line), ``pieces.txt`` (in the order of ids).
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np

from mt_contract.resource import Vocabulary
from mt_trainer import tokenizer

MAX_TOKENS = 128


def write(corpus: Path, folder: Path, size: int) -> None:
    """Tokenise ``source<TAB>target`` lines, gzipped, with a vocabulary of ``size`` pieces."""
    text = folder / "train.tsv"
    text.write_bytes(gzip.decompress(corpus.read_bytes()))
    processor = tokenizer.load(tokenizer.train(text, Vocabulary("Unigram", size, shared=True), 1))
    lines = [line.split("\t") for line in text.read_text(encoding="utf-8").splitlines()]
    ids = [[processor.encode(side) for side in line] for line in lines]
    ids = [pair for pair in ids if max(map(len, pair)) < MAX_TOKENS]
    flat = [token for pair in ids for side in pair for token in side]
    lengths = np.array([[len(side) for side in pair] for pair in ids], np.int64)
    np.savez(folder / "tokens.npz", tokens=np.array(flat, np.int32), lengths=lengths)
    pieces = tokenizer.pieces(processor)
    (folder / "pieces.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    for side, name in enumerate(("train.src", "train.trg")):
        with (folder / name).open("w", encoding="utf-8") as out:
            out.writelines(" ".join(processor.id_to_piece(pair[side])) + "\n" for pair in ids)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
