"""CTranslate2 by itself, all sentences at once: what an engine around it can reach at best.

``python -m benchmarks.peers_serving_raw MODEL TEXT COMPUTE_TYPE`` runs in the predictor's
environment. SentencePiece before and after it, as for all contestants: text in, text out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ctranslate2
import sentencepiece

from benchmarks import peers_serving_laps


def main(model: Path, text: Path, compute_type: str) -> None:
    """Translate when told to."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model / "vocabulary.model"))
    longest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))["maxTokens"]

    @cache
    def translator(inter: int, intra: int) -> Any:
        return ctranslate2.Translator(
            str(model / "ctranslate2"),
            device="cpu",
            compute_type=compute_type,
            inter_threads=inter,
            intra_threads=intra,
        )

    def one_pass(texts: Sequence[str], setting: Mapping[str, Any], beam: int) -> Sequence[str]:
        pieces = [[*line, "</s>"] for line in processor.encode(list(texts), out_type=str)]
        found = translator(setting["workers"], setting["threads of each"]).translate_batch(
            pieces,
            beam_size=beam,
            batch_type=setting["batch of"],
            max_batch_size=setting["size"],
            max_input_length=longest,
            max_decoding_length=longest,
        )
        translations: list[str] = processor.decode([each.hypotheses[0] for each in found])
        return translations

    peers_serving_laps.run(text, one_pass)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
