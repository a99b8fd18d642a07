"""The text of one corpus in pieces, for a peer that is given pieces: the vocabulary a recipe makes.

``python -m benchmarks.peers_quality_text CORPUS FOLDER SIZE`` runs in the trainer's environment and
leaves in FOLDER: ``train``, ``dev`` and ``test``, each as ``.src`` and ``.trg`` (pieces, parted by
spaces, a sentence a line), ``pieces.txt`` and ``vocabulary.model``.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from mt_contract.resource import Vocabulary
from mt_corpus.text import normalize
from mt_trainer import tokenizer

MAX_TOKENS = 128


def write(corpus: Path, folder: Path, size: int) -> None:
    """Tokenise the three files of ``corpus`` with a vocabulary of ``size`` pieces."""
    for part in ("train", "dev", "test"):
        rows = gzip.decompress((corpus / f"{part}.tsv.gz").read_bytes()).decode().splitlines()
        text = "".join("\t".join(map(normalize, row.split("\t"))) + "\n" for row in rows)
        (folder / f"{part}.tsv").write_text(text, encoding="utf-8")
    vocabulary = Vocabulary("Unigram", size, shared=True)
    model = tokenizer.train(folder / "train.tsv", vocabulary, 1)
    (folder / "vocabulary.model").write_bytes(model)
    processor = tokenizer.load(model)
    pieces = "".join(f"{piece}\n" for piece in tokenizer.pieces(processor))
    (folder / "pieces.txt").write_text(pieces, encoding="utf-8")
    for part in ("train", "dev", "test"):
        lines = (folder / f"{part}.tsv").read_text(encoding="utf-8").splitlines()
        pairs = [
            [processor.encode(side, out_type=str) for side in line.split("\t")] for line in lines
        ]
        if part == "train":  # test sentences are all translated, however long
            pairs = [pair for pair in pairs if 0 < max(map(len, pair)) < MAX_TOKENS]
        for side, name in enumerate(("src", "trg")):
            text = "".join(" ".join(pair[side]) + "\n" for pair in pairs)
            (folder / f"{part}.{name}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
