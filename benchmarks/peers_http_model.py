"""The model as every peer of ``serving-http`` runs it: text in, text out, a batch as it comes.

Told in the environment (``SERVED``), as the peers' servers start processes of their own. The names
are for all; the libraries are imported by who loads the model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

NAME = "m"
LARGEST_BATCH = 32  # requests; KServe's default, the same for all that batch


class Served:
    """CTranslate2 and SentencePiece."""

    def __init__(self) -> None:
        """Load what ``SERVED`` names."""
        import ctranslate2
        import sentencepiece

        told = json.loads(os.environ["SERVED"])
        folder = Path(told["folder"])
        self._beam, self._longest, self._ending = told["beam"], told["longest"], told["ending"]
        self._pieces = sentencepiece.SentencePieceProcessor(
            model_proto=(folder / told["vocabulary"]).read_bytes()
        )
        self._translator = ctranslate2.Translator(
            str(folder / told["model"]),
            device="cpu",
            compute_type=told["compute_type"],
            inter_threads=1,
            intra_threads=told["threads"],
        )

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Return the translations of ``texts``, which are one batch."""
        sources = [[*self._pieces.encode(text, out_type=str), *self._ending] for text in texts]
        results = self._translator.translate_batch(
            sources,
            beam_size=self._beam,
            max_input_length=self._longest,
            max_decoding_length=self._longest,
        )
        return [str(self._pieces.decode(result.hypotheses[0])) for result in results]
