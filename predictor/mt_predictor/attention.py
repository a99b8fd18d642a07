"""What the engine looked at while it translated: a few short sentences, for the report."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mt_predictor.engine import Search, Source
from mt_predictor.testset import Example
from mt_predictor.translator import Translator

SHOWN = 3
_FEWEST, _MOST = 4, 16  # pieces, end mark included: what a picture can show
_LOOKED_AT = 200  # sentences, at most, to find short ones among
_CHARACTERS = 120  # of a sentence that may be short in pieces
_log = logging.getLogger(__name__)


def of(
    translator: Translator, examples: Sequence[Example], beam_size: int, seed: int
) -> list[dict[str, Any]]:
    """Return a few sentences in pieces, and the weight of each source piece for each of the target.

    Args:
        translator: of the candidate.
        examples: the test sentences.
        beam_size: as they are translated with.
        seed: of the choice.
    """
    chosen = list(_short(translator, examples, seed))
    try:
        search = Search(beam_size, attention=True)
        found = translator.engine.run([source for _, source in chosen], search)
    except (RuntimeError, ValueError) as error:  # an engine or a model that cannot tell
        _log.info("no attention in the report: %s", error)
        return []
    told = [
        {
            "text": text,
            "translation": translator.engine.decode(best.pieces),
            "source": list(source),
            "target": list(best.pieces),
            "weights": [[round(float(weight), 3) for weight in row] for row in best.attention],
        }
        for (text, source), best in zip(chosen, found, strict=True)
        if best.attention is not None
        and 0 < len(best.pieces) <= _MOST
        and {len(row) for row in best.attention} == {len(source)}
    ]
    return told[:SHOWN]


def _short(
    translator: Translator, examples: Sequence[Example], seed: int
) -> Iterator[tuple[str, Source]]:
    """Yield some short sentences; more than are shown, as translations may turn out long."""
    chance, found = np.random.default_rng(seed), 0
    drawn = chance.choice(len(examples), min(_LOOKED_AT, len(examples)), replace=False)
    for number in drawn:
        text = examples[int(number)].source
        if len(text) > _CHARACTERS or found == 3 * SHOWN:
            continue
        sources = translator.prepare(text).sources
        if len(sources) == 1 and _FEWEST <= len(sources[0]) <= _MOST:
            found += 1
            yield text, sources[0]
