"""The network as a CTranslate2 model: the same numbers, laid out as that engine wants them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import TransformerDecoderSpec, TransformerEncoderSpec, TransformerSpec
from ctranslate2.specs.common_spec import Activation

from mt_trainer.model import (
    EPSILON,
    Attention,
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    Transformer,
)
from mt_trainer.tokenizer import BOS, EOS, SPECIAL_PIECES, UNK


def save(model: Transformer, pieces: Sequence[str], folder: Path) -> None:
    """Write ``model`` in float32 to ``folder``; engines quantise while they load.

    Args:
        model: the trained network.
        pieces: of the vocabulary, in the order of their ids.
        folder: is made.

    Raises:
        OSError: it cannot be written.
    """
    sizes = model.sizes
    options: dict[str, Any] = {"pre_norm": True, "activation": Activation.RELU}
    encoder = TransformerEncoderSpec(sizes.layers, sizes.heads, **options)
    # The attention that the engine returns is the mean of the last layer's heads, as in decode.py.
    decoder = TransformerDecoderSpec(sizes.layers, sizes.heads, alignment_heads=0, **options)
    embedding = _array(model.embedding)
    for side, target in ((encoder.embeddings[0], encoder), (decoder.embeddings, decoder)):
        side.weight = embedding
        target.scale_embeddings = True
        target.position_encodings.encodings = model.positions
    decoder.projection.weight = embedding
    _norm(encoder.layer_norm, model.encoder_norm)
    _norm(decoder.layer_norm, model.decoder_norm)
    for spec, layer in zip(encoder.layer, model.encoder_layers, strict=True):
        _encoder_layer(spec, layer)
    for spec, layer in zip(decoder.layer, model.decoder_layers, strict=True):
        _decoder_layer(spec, layer)
    spec = TransformerSpec(encoder, decoder)
    spec.register_source_vocabulary(list(pieces))
    spec.register_target_vocabulary(list(pieces))
    spec.config.unk_token = SPECIAL_PIECES[UNK]
    spec.config.bos_token = spec.config.decoder_start_token = SPECIAL_PIECES[BOS]
    spec.config.eos_token = SPECIAL_PIECES[EOS]
    spec.config.add_source_bos = spec.config.add_source_eos = False
    spec.config.layer_norm_epsilon = EPSILON
    spec.validate()
    spec.optimize(quantization="float32")
    folder.mkdir(parents=True)
    spec.save(str(folder))


def _encoder_layer(spec: Any, layer: EncoderLayer) -> None:
    _norm(spec.self_attention.layer_norm, layer.attention_norm)
    _attention(spec.self_attention, layer.attention)
    _feed_forward(spec.ffn, layer.feed_forward_norm, layer.feed_forward)


def _decoder_layer(spec: Any, layer: DecoderLayer) -> None:
    _norm(spec.self_attention.layer_norm, layer.self_norm)
    _attention(spec.self_attention, layer.self_attention)
    _norm(spec.attention.layer_norm, layer.cross_norm)
    _attention(spec.attention, layer.cross_attention)
    _feed_forward(spec.ffn, layer.feed_forward_norm, layer.feed_forward)


def _attention(spec: Any, attention: Attention) -> None:
    """Fill in the projections: joined and output, or (to the source) query, joined and output."""
    own = [attention.joined] if attention.query is None else [attention.query, attention.joined]
    for linear, dense in zip(spec.linear, [*own, attention.output_projection], strict=True):
        _dense(linear, dense)


def _feed_forward(spec: Any, norm: Any, layer: FeedForward) -> None:
    _norm(spec.layer_norm, norm)
    _dense(spec.linear_0, layer.inner)
    _dense(spec.linear_1, layer.outer)


def _dense(spec: Any, layer: Any) -> None:
    spec.weight = np.ascontiguousarray(_array(layer.kernel).T)
    spec.bias = _array(layer.bias)


def _norm(spec: Any, layer: Any) -> None:
    spec.gamma, spec.beta = _array(layer.gamma), _array(layer.beta)


def _array(variable: Any) -> np.ndarray:
    """Return a copy: the engine's specifications change arrays in place."""
    return np.array(variable.numpy(), np.float32)
