"""The proof that both exports translate alike: they are loaded again and asked the same."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np

from mt_contract.errors import ParityError
from mt_trainer import decode
from mt_trainer.model import Transformer
from mt_trainer.tokenizer import EOS, SPECIAL_PIECES, load

_BATCH = 64
_TIE = 1e-4  # log-probability by which two next tokens may differ and still be swapped by rounding
_SCORE = 1e-4  # mean log-probability by which the engines may differ on the same tokens
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parity:
    """How two engines compare.

    Attributes:
        sentences: how many were translated by both.
        ties: where they part at a token that is as probable as the other's.
        score_difference: the largest difference of scores of the same tokens.
    """

    sentences: int
    ties: int
    score_difference: float


def check(
    model: Transformer, vocabulary: bytes, saved: Path, converted: Path, sentences: Sequence[str]
) -> Parity:
    """Compare the two exports of ``model``, greedy and in float32.

    Args:
        model: the network, in float32.
        vocabulary: its SentencePiece model.
        saved: folder of the SavedModel.
        converted: folder of the CTranslate2 model.
        sentences: what to translate.

    Raises:
        ParityError: they translate a sentence differently.
    """
    processor = load(vocabulary)
    sentences = [
        text for text in sentences if 0 < len(processor.encode(text)) < model.sizes.max_tokens
    ]
    ours = _keras(decode.load(saved), sentences)
    theirs = _ctranslate2(converted, processor, sentences, model.sizes.max_tokens)
    ties, difference = 0, 0.0
    for text, (tokens, score), (other, other_score) in zip(sentences, ours, theirs, strict=True):
        if tokens == other:
            difference = max(difference, abs(score - other_score))
        elif _is_tie(model, processor, text, tokens, other):
            ties += 1
        else:
            raise ParityError(
                f"the exports disagree on {text!r}: TensorFlow says {' '.join(tokens)!r}, "
                f"CTranslate2 {' '.join(other)!r}. "
                "Nothing was published; this is a fault of the trainer: report it with this message"
            )
    if difference > _SCORE:
        raise ParityError(
            f"the exports give the same translations, but their scores differ by {difference:.2g}"
        )
    _log.info(
        "exports agree on %d sentences (%d ties, scores within %.1g)",
        len(sentences),
        ties,
        difference,
    )
    return Parity(len(sentences), ties, difference)


def _keras(translate: Any, sentences: Sequence[str]) -> list[tuple[list[str], float]]:
    found = []
    for first in range(0, len(sentences), _BATCH):
        answer = translate(sentences[first : first + _BATCH])
        for row, score in zip(answer["tokens"].numpy(), answer["scores"].numpy(), strict=True):
            tokens = [token.decode() for token in row if token]
            found.append(
                ([token for token in tokens if token != SPECIAL_PIECES[EOS]], float(score))
            )
    return found


def _ctranslate2(
    folder: Path, processor: Any, sentences: Sequence[str], max_tokens: int
) -> list[tuple[list[str], float]]:
    engine = ctranslate2.Translator(str(folder), compute_type="float32", intra_threads=1)
    answers = engine.translate_batch(
        [[*processor.encode(text, out_type=str), SPECIAL_PIECES[EOS]] for text in sentences],
        beam_size=1,
        max_batch_size=_BATCH,
        max_input_length=max_tokens,
        max_decoding_length=max_tokens,
        return_scores=True,
    )
    return [(answer.hypotheses[0], float(answer.scores[0])) for answer in answers]


def _is_tie(
    model: Transformer, processor: Any, text: str, tokens: list[str], other: list[str]
) -> bool:
    """Return whether, where the two part, the network finds both next tokens equally probable."""
    end = SPECIAL_PIECES[EOS]
    ours, theirs = (
        [processor.piece_to_id(token) for token in (*side, end)] for side in (tokens, other)
    )
    parting = next(
        i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]
    )
    given = [processor.bos_id(), *ours[:parting]]
    source = [*processor.encode(text), EOS]
    states = model((np.array([source], np.int32), np.array([given], np.int32)), training=False)
    logits = np.asarray(model.logits(states))[0, -1]
    return bool(abs(logits[ours[parting]] - logits[theirs[parting]]) <= _TIE)
