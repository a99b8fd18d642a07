"""The vocabulary: one SentencePiece model, learned from training text only, always the same."""

from __future__ import annotations

import io
import logging
import re
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from mt_contract.errors import ConfigurationError
from mt_contract.resource import Vocabulary
from mt_corpus.text import sentencepiece_rules
from mt_trainer.order import shuffled

PAD, UNK, BOS, EOS = range(4)
SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")
# Of text that is looked at. SentencePiece holds 24 bytes for each of Unigram's (BPE a third), some
# 600 MB: less than the smallest network takes while it is trained and exported.
_BYTES = 24_000_000
_TIE = 1e-4  # log-probability by which two spellings may differ and still be swapped by rounding
_TOO_HIGH = re.compile(r"set it to a value <= (\d+)")
_TOO_LOW = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")
_log = logging.getLogger(__name__)


def train(text: Path, vocabulary: Vocabulary, seed: int) -> bytes:
    """Return a SentencePiece model of both sides of ``text``; too large a size is lowered.

    Args:
        text: normalised ``source<TAB>target`` lines.
        vocabulary: algorithm and size.
        seed: decides which pairs are looked at, where there are more than enough.

    Raises:
        ConfigurationError: the size cannot hold the characters of the text.
    """
    try:
        return _train(text, vocabulary.algorithm, vocabulary.size, seed)
    except RuntimeError as error:
        message = str(error)
    if found := _TOO_LOW.search(message):
        raise ConfigurationError(
            f"training.vocabulary.size is {vocabulary.size}, but the characters of the training "
            "text and the 260 fixed "
            f"pieces alone are {found[1]}: choose at least that, better a few thousand"
        )
    if not (found := _TOO_HIGH.search(message)):
        raise ConfigurationError(
            f"training.vocabulary: SentencePiece cannot learn it from this text: {message}"
        )
    size = int(found[1])
    _log.warning(
        "vocabulary lowered from %d to %d pieces: the training text holds no more",
        vocabulary.size,
        size,
    )
    return _train(text, vocabulary.algorithm, size, seed)


def load(model: bytes) -> sentencepiece.SentencePieceProcessor:
    """Return the processor of a model."""
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def pieces(processor: sentencepiece.SentencePieceProcessor) -> list[str]:
    """Return all pieces in the order of their ids."""
    return [processor.id_to_piece(i) for i in range(processor.vocab_size())]


def is_ambiguous(processor: sentencepiece.SentencePieceProcessor, text: str) -> bool:
    """Return whether two ways to spell ``text`` are equally probable.

    Which of them is taken is decided by rounding, in each engine for itself.
    """
    try:
        best, other = processor.nbest_encode(text, nbest_size=2)
    except (RuntimeError, ValueError):  # BPE, and a text of one letter, know one way only
        return False
    scores = [sum(map(processor.get_score, pieces)) for pieces in (best, other)]
    return bool(abs(scores[0] - scores[1]) < _TIE)


def _train(text: Path, algorithm: str, size: int, seed: int) -> bytes:
    written = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as rules:
        rules.writelines(f"{_codes(a)}\t{_codes(b)}\n" for a, b in sentencepiece_rules())
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_sentences(text, seed),
            model_writer=written,
            model_type=algorithm.lower(),
            vocab_size=size,
            byte_fallback=True,
            character_coverage=0.9999,
            normalization_rule_tsv=rules.name,
            num_threads=1,  # more would change the order of sums, and with it the pieces
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            pad_piece=SPECIAL_PIECES[PAD],
            minloglevel=2,
        )
    made = ModelProto.FromString(written.getvalue())
    made.normalizer_spec.ClearField("normalization_rule_tsv")  # a random name; the rules are inside
    model: bytes = made.SerializeToString(deterministic=True)
    return model


def _sentences(text: Path, seed: int) -> Iterator[str]:
    """Yield both sides of all lines, or of as many as memory allows, always the same ones."""
    with text.open("rb") as lines:
        count = sum(1 for _ in lines)
    wanted = count * _BYTES // max(text.stat().st_size, _BYTES)
    rows = shuffled(np.arange(wanted), count, seed) if wanted < count else np.arange(count)
    with text.open(encoding="utf-8", newline="\n") as lines:
        for skipped in np.diff(np.sort(rows), prepend=-1) - 1:
            yield from next(islice(lines, int(skipped), None)).rstrip("\n").split("\t")


def _codes(characters: str) -> str:
    return " ".join(f"{ord(character):X}" for character in characters)
