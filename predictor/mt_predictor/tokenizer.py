"""Text and the pieces that a model reads: the SentencePiece models of a verified artifact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

import sentencepiece

from mt_contract import artifact
from mt_contract.artifact import TRAINED_HERE, ArtifactError, Manifest


class Tokenizer(NamedTuple):
    """The SentencePiece processors of both sides; mostly one and the same."""

    source: Any
    target: Any

    def encode(self, text: str) -> list[str]:
        """Return the pieces of ``text``; none if it is blank.

        Equal ones are one object: of the millions that may be in the house, each takes eight bytes.
        """
        return list(map(intern, self.source.encode(text, out_type=str))) if text.strip() else []

    def spell(self, pieces: Sequence[str]) -> str:
        """Return the text that ``pieces`` of a source are of."""
        return str(self.source.decode(list(pieces)))

    def decode(self, pieces: Sequence[str]) -> str:
        """Return the text of a translation's ``pieces``."""
        return str(self.target.decode(list(pieces)))


def load(folder: Path, manifest: Manifest) -> Tokenizer:
    """Return the tokenizer that the manifest names, of files that it knows.

    Raises:
        ArtifactError: it names a file that is not one of its own.
        OSError: a file cannot be read.
        RuntimeError: a file is no SentencePiece model.
    """
    source = _processor(folder / artifact.VOCABULARY)
    name = (manifest.tokens or TRAINED_HERE).target_vocabulary
    if name is None:
        return Tokenizer(source, source)
    if name not in manifest.files:
        raise ArtifactError(f"{folder}: the manifest names {name}, which is no file of it")
    return Tokenizer(source, _processor(folder / name))


def _processor(path: Path) -> Any:
    return sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
