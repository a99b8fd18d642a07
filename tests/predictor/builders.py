"""A small artifact: random weights from a seed, a vocabulary learned from made-up text."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import sentencepiece
from ctranslate2.specs import TransformerSpec, common_spec
from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec

from mt_contract import artifact
from mt_contract.artifact import Manifest

WIDTH, HIDDEN, HEADS, VOCABULARY = 16, 32, 2, 340
SCRIPT = "<script>alert(1)</script>"  # stands in a reference
SYLLABLES = ("ba", "do", "ki", "lu", "me", "no", "ra", "su", "te", "vi", "zo", "ça", "õe", "nh")


def sentences(count: int, seed: int = 1, longest: int = 9) -> list[str]:
    """Return made-up sentences, each another one."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 3))) for _ in range(200)]
    found: dict[str, None] = {}
    while len(found) < count:
        body = " ".join(chance.choices(words, k=chance.randint(1, longest)))
        found[f"{body}{chance.choice('.?!')}"] = None
    return list(found)


def vocabulary_model(seed: int = 1) -> bytes:
    """Return a SentencePiece model in the shape that the trainer makes them."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences(600, seed)),
        model_writer=written,
        vocab_size=VOCABULARY,
        byte_fallback=True,
        num_threads=1,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        minloglevel=2,
    )
    return written.getvalue()


def _array(chance: np.random.Generator, *shape: int, scale: float = 0.3) -> np.ndarray:
    return chance.normal(0, scale, shape).astype(np.float32)


def _norm(spec: common_spec.LayerNormSpec) -> None:
    spec.gamma, spec.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)


def _dense(
    spec: common_spec.LinearSpec, chance: np.random.Generator, outputs: int, inputs: int
) -> None:
    spec.weight, spec.bias = _array(chance, outputs, inputs), np.zeros(outputs, np.float32)


def _feed_forward(spec: object, chance: np.random.Generator) -> None:
    _norm(spec.layer_norm)
    _dense(spec.linear_0, chance, HIDDEN, WIDTH)
    _dense(spec.linear_1, chance, WIDTH, HIDDEN)


def _attention(spec: object, chance: np.random.Generator, joined: tuple[int, ...]) -> None:
    _norm(spec.layer_norm)
    for linear, outputs in zip(spec.linear, joined, strict=True):
        _dense(linear, chance, outputs, WIDTH)


def _engine_model(folder: Path, pieces: list[str], max_tokens: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    options = {"pre_norm": True, "activation": common_spec.Activation.RELU}
    encoder = TransformerEncoderSpec(1, HEADS, **options)
    decoder = TransformerDecoderSpec(1, HEADS, **options)
    spec = TransformerSpec(encoder, decoder)
    embedding, positions = _array(chance, len(pieces), WIDTH), _array(chance, max_tokens, WIDTH)
    encoder.embeddings[0].weight = decoder.embeddings.weight = embedding
    decoder.projection.weight = embedding
    decoder.projection.bias = np.zeros(len(pieces), np.float32)
    decoder.projection.bias[pieces.index("</s>")] = 3.5  # or random weights would never end
    for side in (encoder, decoder):
        side.position_encodings.encodings = positions
        side.scale_embeddings = True
        _norm(side.layer_norm)
        _feed_forward(side.layer[0].ffn, chance)
        _attention(side.layer[0].self_attention, chance, (3 * WIDTH, WIDTH))
    _attention(decoder.layer[0].attention, chance, (WIDTH, 2 * WIDTH, WIDTH))
    spec.config.bos_token, spec.config.eos_token = "<s>", "</s>"
    spec.config.decoder_start_token = "<s>"
    spec.config.unk_token = "<unk>"
    spec.config.add_source_eos = False
    spec.config.layer_norm_epsilon = 1e-5
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    spec.validate()
    folder.mkdir(parents=True)
    spec.save(str(folder))


def build_artifact(folder: Path, *, seed: int = 1, max_tokens: int = 32, run: str = "toy-1") -> str:
    """Make an artifact in ``folder`` and return its digest."""
    model = vocabulary_model()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [processor.id_to_piece(i) for i in range(processor.vocab_size())]
    _engine_model(folder / artifact.CTRANSLATE2, pieces, max_tokens, seed)
    (folder / artifact.VOCABULARY).write_bytes(model)
    manifest = Manifest(
        source_language="pt",
        target_language="en",
        recipe={"seed": seed},
        recipe_digest="sha256:00",
        dataset_digest="sha256:11",
        max_tokens=max_tokens,
        run=run,
        parent_run=None,
        versions={"ctranslate2": ctranslate2.__version__},
    )
    return artifact.write_manifest(folder, manifest)


def run_folder(tmp_path: Path, pairs: list[tuple[str, str]]) -> Path:
    """Write what a run's evaluation leaves, to ``tmp_path/run``, and an empty termination log."""
    (tmp_path / "run/evaluation").mkdir(parents=True)
    lines = [json.dumps({"source": a, "reference": "x", "translation": b}) for a, b in pairs]
    (tmp_path / "run/evaluation/translations.jsonl").write_text("".join(f"{x}\n" for x in lines))
    (tmp_path / "log").touch()
    return tmp_path


def job(tmp_path: Path, model: Path, **changes: Any) -> dict[str, str]:
    """Return an evaluation's environment, and make its test data and termination log."""
    _, digest = artifact.read_manifest(model)
    pairs = list(zip(sentences(40), sentences(40, seed=2), strict=True))
    pairs[0] = (pairs[0][0], f"{SCRIPT} {pairs[0][1]}")
    for name, some in (("a.tsv", pairs[:25]), ("b.tsv", pairs[25:])):
        (tmp_path / name).write_text("".join(f"{source}\t{target}\n" for source, target in some))
    (tmp_path / "log").touch()
    evaluation = {
        "test": [
            {"uri": f"file://{tmp_path / 'a.tsv'}", "slice": "general"},
            {"uri": f"file://{tmp_path / 'b.tsv'}", "slice": "legal"},
        ],
        "format": "Auto",
        "fields": {"source": "source", "target": "target"},
        "confidence": "0.95",
        "seed": 4,
        "comparisons": [
            {"metric": "chrF"},
            {"metric": "BLEU", "slice": "legal"},
            {"metric": "EmptyFraction"},
            {"metric": "chrF", "slice": "unknown"},
        ],
    }
    env: dict[str, Any] = {
        "MT_RUN": "toy-1",
        "MT_OUTPUT": str(tmp_path / "run"),
        "MT_ARTIFACT": {"uri": str(model)} | {"digest": digest},
        "MT_EVALUATION": evaluation | changes.pop("evaluation", {}),
        "MT_ENGINE": {"engine": "CTranslate2", "precision": "Float32", "beamSize": 2},
        "MT_LANGUAGES": "pt-en",
        "MT_TERMINATION_LOG": str(tmp_path / "log"),
    } | changes
    return {key: v if isinstance(v, str) else json.dumps(v) for key, v in env.items()}
