"""The proof that both exports translate alike: they are loaded again and asked the same."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import ctranslate2
import numpy as np
import sentencepiece

from mt_contract import artifact
from mt_contract.errors import ParityError
from mt_trainer import chrf, decode
from mt_trainer.model import Transformer
from mt_trainer.samples import Samples
from mt_trainer.tokenizer import BOS, EOS, SPECIAL_PIECES, is_ambiguous, load

_BATCH = 64
_BEAM_SIZE = 4
_TIE = 1e-4  # log-probability by which two choices may differ and still be swapped by rounding
_SCORE = 1e-4  # mean log-probability by which the engines may differ on the same tokens
_DIFFERENT = 0.01  # share of beam searches that rounding may lead elsewhere
_INT8_COST = 0.2  # chrF that the engine may lose by quantising before a person should know
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Agreement:
    """How two engines compare.

    Attributes:
        beam_size: of the search.
        sentences: how many were translated by both.
        ties: where they choose differently between what is equally probable.
        different: where a beam search goes another way, for a tie among what was dropped early.
        score_difference: the largest difference of scores of the same tokens.
    """

    beam_size: int
    sentences: int
    ties: int
    different: int
    score_difference: float


@dataclass(frozen=True)
class Int8:
    """What quantising costs: chrF of the same sentences in float32 and in int8."""

    sentences: int
    float32: float
    int8: float


@dataclass(frozen=True)
class Parity:
    """What is known of an artifact's exports; kept as ``exports.json``."""

    greedy: Agreement
    beam: Agreement
    int8: Int8 | None  # None: there are no pairs to measure by


class _Said(NamedTuple):
    """A translation: pieces without the end mark, and their mean log-probability."""

    tokens: list[str]
    score: float


@dataclass(frozen=True)
class Exports:
    """A network and what was exported of it, loaded again.

    Attributes:
        network: in float32.
        processor: its tokenizer.
        translate: the SavedModel.
        converted: folder of the CTranslate2 model.
    """

    network: Transformer
    processor: sentencepiece.SentencePieceProcessor
    translate: Callable[..., dict[str, Any]]
    converted: Path

    @classmethod
    def load(cls, network: Transformer, vocabulary: bytes, folder: Path) -> Exports:
        """Return the exports in the artifact ``folder``."""
        return cls(
            network,
            load(vocabulary),
            decode.load(folder / artifact.SAVED_MODEL),
            folder / artifact.CTRANSLATE2,
        )

    def fits(self, text: str) -> bool:
        """Return whether a text is neither empty nor cut, and spelled the same by any engine."""
        length = len(self.processor.encode(text))
        return 0 < length < self.network.sizes.max_tokens and not is_ambiguous(self.processor, text)


def check(
    exports: Exports, samples: Samples, clock: Callable[[], float] = time.monotonic
) -> Parity:
    """Compare the exports, greedy and with a beam, in float32.

    Args:
        exports: of one network.
        samples: what they are asked.
        clock: seconds, never going back.

    Raises:
        ParityError: they translate a sentence differently.
    """
    sentences = list(filter(exports.fits, samples.sentences))
    greedy, beam = (
        _compare(exports, sentences, size, _deadline(samples.seconds, clock))
        for size in (1, _BEAM_SIZE)
    )
    parity = Parity(greedy, beam, _int8(exports, samples.pairs))
    _tell(parity)
    return parity


def _deadline(seconds: float, clock: Callable[[], float]) -> Callable[[], bool]:
    """Return what says whether these seconds, from now on, have passed."""
    end = clock() + seconds
    return lambda: clock() >= end


def _compare(
    exports: Exports, sentences: Sequence[str], beam_size: int, late: Callable[[], bool]
) -> Agreement:
    ours = _keras(exports, sentences, beam_size, late)
    sentences = sentences[: len(ours)]
    theirs = _ctranslate2(exports, sentences, beam_size)
    ties, different, difference = 0, [], 0.0
    for text, our, their in zip(sentences, ours, theirs, strict=True):
        if our.tokens == their.tokens:
            difference = max(difference, abs(our.score - their.score))
        elif _is_tie(exports, beam_size, text, our, their):
            ties += 1
        else:
            different.append((text, our, their))
    allowed = 0 if beam_size == 1 else max(1, int(_DIFFERENT * len(sentences)))
    if len(different) > allowed:
        raise _disagreement(beam_size, len(sentences), different)
    if difference > _SCORE:
        raise ParityError(
            f"the exports give the same translations, but their scores differ by {difference:.2g}"
        )
    return Agreement(beam_size, len(sentences), ties, len(different), difference)


def _disagreement(
    beam_size: int, sentences: int, different: Sequence[tuple[str, _Said, _Said]]
) -> ParityError:
    text, ours, theirs = different[0]
    return ParityError(
        f"the exports disagree on {len(different)} of {sentences} sentences (beam {beam_size}), "
        f"first on {text!r}: TensorFlow says {' '.join(ours.tokens)!r}, "
        f"CTranslate2 {' '.join(theirs.tokens)!r}. "
        "Nothing was published; this is a fault of the trainer: report it with this message"
    )


def _keras(
    exports: Exports, sentences: Sequence[str], beam_size: int, late: Callable[[], bool]
) -> list[_Said]:
    """Return the translations of all sentences, or of as many as there was time for."""
    found: list[_Said] = []
    while len(found) < len(sentences) and not (found and late()):
        answer = exports.translate(sentences[len(found) : len(found) + _BATCH], beam_size)
        for row, score in zip(answer["tokens"].numpy(), answer["scores"].numpy(), strict=True):
            tokens = [token.decode() for token in row if token]
            found.append(_Said([t for t in tokens if t != SPECIAL_PIECES[EOS]], float(score)))
    return found


def _ctranslate2(
    exports: Exports, sentences: Sequence[str], beam_size: int, precision: str = "float32"
) -> list[_Said]:
    longest = exports.network.sizes.max_tokens
    engine = ctranslate2.Translator(str(exports.converted), compute_type=precision, intra_threads=1)
    pieces = exports.processor.encode(list(sentences), out_type=str)
    answers = engine.translate_batch(
        [[*row, SPECIAL_PIECES[EOS]] for row in pieces],
        beam_size=beam_size,
        max_batch_size=_BATCH,
        max_input_length=longest,
        max_decoding_length=longest,
        return_scores=True,
    )
    return [_Said(answer.hypotheses[0], float(answer.scores[0])) for answer in answers]


def _is_tie(exports: Exports, beam_size: int, text: str, ours: _Said, theirs: _Said) -> bool:
    """Return whether two translations are as good as each other to the search that found them.

    To a greedy one, if the network finds both next tokens equally probable where the two part.
    """
    if beam_size > 1:
        return abs(ours.score - theirs.score) <= _TIE
    network, processor = exports.network, exports.processor
    one, other = ([*processor.piece_to_id(said.tokens), EOS] for said in (ours, theirs))
    parting = next(i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
    source, given = [*processor.encode(text), EOS], [BOS, *one[:parting]]
    states = network((np.array([source], np.int32), np.array([given], np.int32)), training=False)
    logits = np.asarray(network.logits(states))[0, -1]
    return bool(abs(logits[one[parting]] - logits[other[parting]]) <= _TIE)


def _int8(exports: Exports, pairs: Sequence[tuple[str, str]]) -> Int8 | None:
    pairs = [pair for pair in pairs if exports.fits(pair[0])]
    if not pairs or "int8" not in ctranslate2.get_supported_compute_types("cpu"):
        return None
    sources, references = zip(*pairs, strict=True)

    def measured(precision: str) -> float:
        said = _ctranslate2(exports, sources, _BEAM_SIZE, precision)
        texts = exports.processor.decode([one.tokens for one in said])
        return round(chrf.score(zip(texts, references, strict=True)), 4)

    return Int8(len(pairs), measured("float32"), measured("int8"))


def _tell(parity: Parity) -> None:
    for one in (parity.greedy, parity.beam):
        _log.info(
            "exports agree on %d sentences, beam %d (%d ties, %d different, scores within %.1g)",
            one.sentences,
            one.beam_size,
            one.ties,
            one.different,
            one.score_difference,
        )
    if parity.int8 and parity.int8.int8 < parity.int8.float32 - _INT8_COST:
        _log.warning(
            "chrF %.2f in float32 becomes %.2f in int8: consider serving.precision Float32",
            parity.int8.float32,
            parity.int8.int8,
        )
