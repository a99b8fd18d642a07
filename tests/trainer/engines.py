"""CTranslate2 models such as others make, small and with random weights."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from ctranslate2.specs import TransformerDecoderSpec, TransformerEncoderSpec, TransformerSpec
from ctranslate2.specs.common_spec import LayerNormSpec, LinearSpec

WIDTH, INNER, HEADS = 16, 32, 2
SPECIAL = ("<unk>", "<s>", "</s>")
SOURCE_WORDS = ("casa", "gato", "verde", "pequeno", "corre", "dorme", "come", "muito")
TARGET_WORDS = ("house", "cat", "green", "small", "runs", "sleeps", "eats", "very")


def tokenizer(words: Sequence[str] = SOURCE_WORDS, size: int = 60) -> bytes:
    """Return a SentencePiece model as most are made: no <pad>, no byte fallback."""
    chance, written = random.Random(1), io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(chance.choices(words, k=5)) for _ in range(200)]),
        model_writer=written,
        vocab_size=size,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
    )
    return written.getvalue()


def pieces(model: bytes) -> list[str]:
    """Return all pieces of a tokenizer in order."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(i) for i in range(processor.vocab_size())]


def write(
    folder: Path,
    *,
    source: bytes,
    target: bytes | None = None,
    positions: int | None = None,
    config: Mapping[str, Any] | None = None,
    quantization: str | None = None,
    extra: Sequence[str] = (),
) -> Path:
    """Write a model and its tokenizers, as an OPUS-MT model is after its conversion.

    Args:
        folder: is made.
        source: tokenizer of the source, or of both sides.
        target: tokenizer of the target.
        positions: length of the position table; None: there is none.
        config: what config.json says besides the defaults.
        quantization: of the weights.
        extra: further pieces of both vocabularies.
    """
    vocabularies = [[*pieces(model), *extra] for model in (source, target or source)]
    spec = _network([len(vocabulary) for vocabulary in vocabularies], positions)
    for key, value in (config or {}).items():
        setattr(spec.config, key, value)
    spec.register_source_vocabulary(vocabularies[0])
    spec.register_target_vocabulary(vocabularies[1])
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True)
    spec.save(str(folder))
    for name, model in (("source.spm", source), ("target.spm", target)):
        if model is not None:
            (folder / name).write_bytes(model)
    return folder


def _network(sizes: Sequence[int], positions: int | None) -> TransformerSpec:
    chance = np.random.default_rng(1)
    encoder, decoder = TransformerEncoderSpec(1, HEADS), TransformerDecoderSpec(1, HEADS)
    encoder.embeddings[0].weight = _array(chance, sizes[0], WIDTH)
    decoder.embeddings.weight = decoder.projection.weight = _array(chance, sizes[1], WIDTH)
    decoder.projection.bias = _array(chance, sizes[1])
    decoder.projection.bias[2] = 2.0  # </s>: or random weights would never end
    for side in (encoder, decoder):
        side.scale_embeddings = True
        if positions is not None:
            side.position_encodings.encodings = _array(chance, positions, WIDTH)
        _norm(side.layer_norm)
        layer = side.layer[0]
        _dense(chance, layer.ffn.linear_0, INNER, WIDTH)
        _dense(chance, layer.ffn.linear_1, WIDTH, INNER)
        _norm(layer.ffn.layer_norm)
        _attention(chance, layer.self_attention, (3 * WIDTH, WIDTH))
    _attention(chance, decoder.layer[0].attention, (WIDTH, 2 * WIDTH, WIDTH))
    return TransformerSpec(encoder, decoder)


def _attention(chance: np.random.Generator, spec: Any, outputs: Sequence[int]) -> None:
    _norm(spec.layer_norm)
    for linear, size in zip(spec.linear, outputs, strict=True):
        _dense(chance, linear, size, WIDTH)


def _dense(chance: np.random.Generator, spec: LinearSpec, outputs: int, inputs: int) -> None:
    spec.weight, spec.bias = _array(chance, outputs, inputs), _array(chance, outputs)


def _norm(spec: LayerNormSpec) -> None:
    spec.gamma, spec.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)


def _array(chance: np.random.Generator, *shape: int) -> np.ndarray:
    return chance.normal(0, 0.3, shape).astype(np.float32)
