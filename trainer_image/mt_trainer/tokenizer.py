"""The vocabulary: one SentencePiece model, learned from training text only, always the same."""

from __future__ import annotations

import io
import logging
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import sentencepiece

from mt_contract.errors import ConfigurationError
from mt_contract.resource import Vocabulary
from mt_corpus.text import sentencepiece_rules

PAD, UNK, BOS, EOS = range(4)
SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")
_SENTENCES = 2_000_000  # more text than this adds minutes and no better pieces
_TOO_HIGH = re.compile(r"set it to a value <= (\d+)")
_TOO_LOW = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")
_log = logging.getLogger(__name__)


def train(text: Path, vocabulary: Vocabulary, seed: int) -> bytes:
    """Return a SentencePiece model of both sides of ``text``; too large a size is lowered.

    Args:
        text: normalised ``source<TAB>target`` lines.
        vocabulary: algorithm and size.
        seed: of the sampling, where there is more text than is looked at.

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


def _train(text: Path, algorithm: str, size: int, seed: int) -> bytes:
    written = io.BytesIO()
    sentencepiece.set_random_generator_seed(seed % 2**32)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as rules:
        rules.writelines(f"{_codes(a)}\t{_codes(b)}\n" for a, b in sentencepiece_rules())
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_sentences(text),
            model_writer=written,
            model_type=algorithm.lower(),
            vocab_size=size,
            byte_fallback=True,
            character_coverage=0.9999,
            normalization_rule_tsv=rules.name,
            input_sentence_size=_SENTENCES,
            shuffle_input_sentence=True,
            num_threads=1,  # more would change the order of sums, and with it the pieces
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            pad_piece=SPECIAL_PIECES[PAD],
            minloglevel=2,
        )
    return written.getvalue()


def _sentences(text: Path) -> Iterator[str]:
    with text.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield from line.rstrip("\n").split("\t")


def _codes(characters: str) -> str:
    return " ".join(f"{ord(character):X}" for character in characters)
