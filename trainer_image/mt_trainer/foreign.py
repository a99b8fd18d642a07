"""A CTranslate2 model that was made elsewhere: its files, and how it wants to be fed.

Nothing in it is believed that can be tried: vocabularies are compared, sentences are translated.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import sentencepiece

from mt_contract import artifact
from mt_contract.artifact import Tokens
from mt_contract.errors import BadArtifactError
from mt_trainer import engine_file

_NETWORK = "TransformerSpec"  # encoder and decoder
_POSITIONS = 256  # tokens of a sentence, where the model names no limit
_MOST_POSITIONS = 512  # a longer sentence is cut into sentences
_UNKNOWN = 0.01  # share of a tokenizer's pieces that the engine may lack: OPUS-MT has a few
_TAGS, _TAG = (
    3,
    re.compile(r"__[a-z]{2,3}__|[a-z]{3}_[A-Z][a-z]{3}|[a-z]{2}_[A-Z]{2}|>>\w+<<|<2\w+>"),
)
_OPENNMT = "<blank>"  # a piece of no other toolkit's
_PROBES, _PROBE_PIECES = 16, 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    """What was found out about a model.

    Attributes:
        tokens: how it is fed.
        max_tokens: of a source and of a translation.
        precision: of its weights.
        unknown: pieces of the source's tokenizer that the engine lacks.
    """

    tokens: Tokens
    max_tokens: int
    precision: str
    unknown: int


def examine(folder: Path) -> Model:
    """Try the model in ``folder``, which is laid out as an artifact.

    Raises:
        BadArtifactError: it cannot be served, and why.
    """
    engine, said = folder / artifact.CTRANSLATE2, engine_file.read(_model_bin(folder))
    if said.specification != _NETWORK:
        raise BadArtifactError(
            f"the model is a {said.specification}: only encoder-decoder models ({_NETWORK}) "
            "translate here"
        )
    config = _config(engine / "config.json")
    sides = [_Side.read(folder, name) for name in ("source", "target")]
    _refuse_tags(config, sides)
    unknown = [side.unknown() for side in sides]
    translator = _loaded(engine)
    length = min(said.positions or _POSITIONS, _MOST_POSITIONS)
    tokens = _tokens(config, folder, sides[0])
    _try(translator, sides[0], tokens, length)
    return Model(tokens, length, said.precision, unknown[0])


@dataclass(frozen=True)
class _Side:
    """Tokenizer and engine's vocabulary of one language."""

    name: str
    processor: sentencepiece.SentencePieceProcessor
    vocabulary: frozenset[str]

    @classmethod
    def read(cls, folder: Path, name: str) -> _Side:
        path = folder / artifact.TARGET_VOCABULARY
        if name == "source" or not path.exists():
            path = folder / artifact.VOCABULARY
        try:
            processor = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
        except RuntimeError as error:
            raise BadArtifactError(
                f"the {name} tokenizer is no SentencePiece model ({error})"
            ) from error
        return cls(name, processor, frozenset(_vocabulary(folder / artifact.CTRANSLATE2, name)))

    @property
    def pieces(self) -> list[str]:
        """Return the pieces that stand for text."""
        processor = self.processor
        odd = (processor.is_control, processor.is_unknown, processor.is_unused)
        ids = range(processor.vocab_size())
        return [processor.id_to_piece(i) for i in ids if not any(is_(i) for is_ in odd)]

    @property
    def frequent(self) -> list[str]:
        """Return the pieces of text that are no single bytes, the most frequent first."""
        ids = (self.processor.piece_to_id(piece) for piece in self.pieces)
        letters = [i for i in ids if not self.processor.is_byte(i)]
        return [
            self.processor.id_to_piece(i)
            for i in sorted(letters, key=self.processor.get_score, reverse=True)
        ]

    def unknown(self) -> int:
        """Return how many pieces the engine lacks.

        Raises:
            BadArtifactError: so many that the two do not belong together.
        """
        pieces = self.pieces
        missing = [piece for piece in pieces if piece not in self.vocabulary]
        if len(missing) > _UNKNOWN * len(pieces):
            raise BadArtifactError(
                f"{len(missing):,} of {len(pieces):,} pieces of the {self.name} tokenizer are not "
                f"in the model's vocabulary ({', '.join(map(repr, missing[:3]))} …): they do not "
                "belong together"
            )
        if missing:
            _log.warning(
                "%d of %d pieces of the %s tokenizer are unknown to the model",
                len(missing),
                len(pieces),
                self.name,
            )
        return len(missing)


def _model_bin(folder: Path) -> Path:
    return folder / artifact.CTRANSLATE2 / "model.bin"


def _config(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadArtifactError(f"{path.name} is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise BadArtifactError(f"{path.name} is not an object: convert the model again")
    return config


def _vocabulary(engine: Path, side: str) -> Sequence[str]:
    """Return the engine's pieces of one side."""
    for name in ("shared", side):
        for path in (engine / f"{name}_vocabulary.json", engine / f"{name}_vocabulary.txt"):
            if path.exists():
                return _pieces(path)
    raise BadArtifactError(f"the model has no vocabulary of its {side} side")


def _pieces(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
        pieces = json.loads(text) if path.suffix == ".json" else text.split("\n")
    except (ValueError, RecursionError) as error:
        raise BadArtifactError(f"{path.name} is no list of pieces ({error})") from error
    if not isinstance(pieces, list) or not all(isinstance(piece, str) for piece in pieces):
        raise BadArtifactError(f"{path.name} is no list of pieces")
    return pieces


def _refuse_tags(config: Mapping[str, Any], sides: Sequence[_Side]) -> None:
    """Refuse models that have to be told the languages.

    Raises:
        BadArtifactError: with the tags.
    """
    tags = sorted({p for side in sides for p in side.vocabulary if _TAG.fullmatch(p)})
    if len(tags) >= _TAGS or config.get("decoder_start_token", "") is None:
        seen = f" ({', '.join(tags[:3])} …)" if tags else ""
        raise BadArtifactError(
            f"the model translates between many languages and has to be told which{seen}: "
            "import one of a single pair"
        )


def _loaded(engine: Path) -> ctranslate2.Translator:
    try:
        return ctranslate2.Translator(str(engine), device="cpu", intra_threads=1)
    except (RuntimeError, ValueError) as error:
        raise BadArtifactError(f"CTranslate2 does not load the model: {error}") from error


def _tokens(config: Mapping[str, Any], folder: Path, source: _Side) -> Tokens:
    """Return how the model is fed.

    With ``add_source_eos`` the engine ends sources itself. Without, most models were trained on
    sources that end with the mark, and their callers append it (conversions of Transformers'
    models, and ours); models of OpenNMT were not, and are known by their padding.
    """
    added = [bool(config.get(f"add_source_{mark}")) for mark in ("bos", "eos")]
    end = str(config.get("eos_token", artifact.END))
    unused = added[1] or end not in source.vocabulary or _OPENNMT in source.vocabulary
    own = (folder / artifact.TARGET_VOCABULARY).exists()
    return Tokens(
        target_vocabulary=artifact.TARGET_VOCABULARY if own else None,
        end=None if unused else end,
        added=sum(added),
    )


def _probes(source: _Side) -> list[list[str]]:
    """Return pieces of made-up text, frequent ones more often; the same ones each time."""
    pieces = source.frequent
    chances = 1 / (np.arange(len(pieces)) + 10)  # about as words are distributed (Zipf)
    rows = np.random.default_rng(0).choice(
        len(pieces), (_PROBES, _PROBE_PIECES), p=chances / chances.sum()
    )
    texts = [source.processor.decode([pieces[i] for i in row]) for row in rows]
    return [found for text in texts if (found := source.processor.encode(text, out_type=str))]


def _try(translator: ctranslate2.Translator, source: _Side, tokens: Tokens, length: int) -> None:
    """Translate made-up sentences, and one of the greatest length.

    Raises:
        BadArtifactError: it fails, says nothing, or is no number's worth.
    """
    ending = [] if tokens.end is None else [tokens.end]
    room = length - tokens.added - len(ending)
    known = next(piece for piece in source.frequent if piece in source.vocabulary)
    probes = [*_probes(source), [known] * room]
    try:
        found = translator.translate_batch(
            [[*pieces[:room], *ending] for pieces in probes],
            beam_size=1,
            max_batch_size=16,
            max_input_length=length,
            max_decoding_length=min(length, 8 * _PROBE_PIECES),
            return_scores=True,
        )
    except (RuntimeError, ValueError) as error:
        raise BadArtifactError(f"the model cannot translate: {error}") from error
    if not all(math.isfinite(one.scores[0]) for one in found):
        raise BadArtifactError("the model's scores are no numbers: its weights are damaged")
    if not any(one.hypotheses[0] for one in found):
        raise BadArtifactError("the model says nothing to any text")
