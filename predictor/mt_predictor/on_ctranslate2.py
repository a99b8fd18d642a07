"""CTranslate2: quick and small, in every precision that this processor has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any

import ctranslate2

from mt_contract import artifact
from mt_contract.artifact import Manifest
from mt_contract.errors import ConfigurationError
from mt_predictor.cpu import Threads
from mt_predictor.engine import Hypothesis, Search, Source
from mt_predictor.settings import PRECISIONS, EngineSettings
from mt_predictor.tokenizer import Tokenizer

_DEVICE = "cpu"


@dataclass(frozen=True)
class Network:
    """A translator of CTranslate2."""

    translator: Any
    longest: int  # tokens that a sentence may have on either side

    def refusal(self, search: Search) -> str | None:
        """Return None: this engine does it all."""
        return None

    def translate(
        self, sources: Sequence[Source], search: Search, batch_tokens: int
    ) -> list[Hypothesis]:
        """Return the best hypothesis of each of ``sources``.

        Raises:
            RuntimeError: the engine cannot translate one of them.
        """
        if not search.attention:
            return self._translated(sources, search, batch_tokens)
        # One at a time: beside a longer sentence, a beam's first step looks at padding as well.
        return [self._translated([source], search, 0)[0] for source in sources]

    def _translated(
        self, sources: Sequence[Source], search: Search, batch_tokens: int
    ) -> list[Hypothesis]:
        results = self.translator.translate_batch(
            [list(source) for source in sources],
            beam_size=search.beam_size,
            num_hypotheses=search.n_best,
            max_batch_size=batch_tokens,
            batch_type="tokens" if batch_tokens else "examples",
            max_input_length=self.longest,
            max_decoding_length=self.longest,
            return_scores=True,
            return_attention=search.attention,
        )
        return [self._best(result) for result in results]

    def _best(self, result: Any) -> Hypothesis:
        best, *others = (self._hypothesis(result, n) for n in range(len(result.hypotheses)))
        attention = result.attention[0] if result.attention else None
        return Hypothesis(
            best.pieces,
            best.log_probability,
            best.tokens,
            best.finished,
            attention,
            tuple(others),
        )

    def _hypothesis(self, result: Any, number: int) -> Hypothesis:
        pieces = tuple(map(intern, result.hypotheses[number]))  # as in tokenizer.py
        finished = len(pieces) < self.longest
        tokens = len(pieces) + finished
        return Hypothesis(pieces, float(result.scores[number]) * tokens, tokens, finished)


def opener(
    settings: EngineSettings, threads: Threads
) -> Callable[[Path, Manifest, Tokenizer], Network]:
    """Return what loads a network of a verified artifact.

    It raises RuntimeError or ValueError where that is no model of this engine.

    Raises:
        ConfigurationError: this processor has no such precision.
    """
    supported = ctranslate2.get_supported_compute_types(_DEVICE)
    if settings.compute_type not in supported:
        offered = [name for name, kind in PRECISIONS["CTranslate2"].items() if kind in supported]
        raise ConfigurationError(
            f"precision {settings.precision} is not offered by CTranslate2 on this processor: "
            f"set serving.precision to one of {', '.join(offered)}"
        )

    def opened(folder: Path, manifest: Manifest, _: Tokenizer) -> Network:
        translator = ctranslate2.Translator(
            str(folder / artifact.CTRANSLATE2),
            device=_DEVICE,
            compute_type=settings.compute_type,
            inter_threads=threads.inter,
            intra_threads=threads.intra,
        )
        return Network(translator, manifest.max_tokens)

    return opened
