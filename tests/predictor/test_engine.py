"""Only a whole artifact is loaded; a loaded one translates the same alone and in company."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.predictor.builders import sentences, vocabulary_model

from mt_contract import artifact
from mt_contract.artifact import Tokens
from mt_contract.errors import BadArtifactError, ConfigurationError
from mt_predictor import engine
from mt_predictor.cpu import Threads
from mt_predictor.settings import EngineSettings
from mt_predictor.translator import (
    MAX_TEXT_BYTES,
    NOTHING,
    Options,
    TextRefusedError,
    TextTooLongError,
    Translator,
)

ONE = Threads(1, 1)
FLOAT32 = EngineSettings("CTranslate2", "Float32", 1)
FILES = ("vocabulary.model", "ctranslate2/model.bin", "ctranslate2/config.json")


@pytest.fixture
def copy(artifact_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(artifact_folder, tmp_path / "model"))


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_refused(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BadArtifactError, match=f"{name} differs from its digest"):
        engine.load(copy, None, FLOAT32, ONE)


def test_another_artifact_than_the_one_evaluated_is_refused(artifact_folder: Path) -> None:
    with pytest.raises(BadArtifactError, match="but sha256:0 was evaluated"):
        engine.load(artifact_folder, "sha256:0", FLOAT32, ONE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("manifest.json", "a folder without it is no artifact", id="manifest"),
        pytest.param("vocabulary.model", "is missing", id="vocabulary"),
    ],
)
def test_a_missing_file_is_refused(copy: Path, name: str, message: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BadArtifactError, match=message):
        engine.load(copy, None, FLOAT32, ONE)


@pytest.mark.parametrize("name", FILES[:2])
def test_a_whole_artifact_that_is_no_model_is_refused(copy: Path, name: str) -> None:
    manifest, _ = artifact.read_manifest(copy)
    (copy / name).write_bytes(b"not a model")
    artifact.write_manifest(copy, manifest)
    with pytest.raises(BadArtifactError, match="no model that this release loads"):
        engine.load(copy, None, FLOAT32, ONE)


def test_a_precision_that_the_cpu_lacks_is_named(artifact_folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Float16 is not offered.*one of Float32.*Int8"):
        engine.load(artifact_folder, None, EngineSettings("CTranslate2", "Float16", 1), ONE)


def test_company_changes_no_translation(translator: Translator) -> None:
    texts = sentences(80)
    together = translator.translate(texts, Options(2))
    alone = [translator.translate([text], Options(2))[0] for text in texts]
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.score for one in together] == pytest.approx([one.score for one in alone], abs=1e-4)
    assert len({one.text for one in together}) > 10


@pytest.mark.parametrize("text", ["", " ", "\t\n \u2003"])
def test_nothing_in_nothing_out(translator: Translator, text: str) -> None:
    assert translator.translate([text], Options(2)) == [NOTHING]


def test_long_text_is_translated_whole(translator: Translator) -> None:
    parts = sentences(50)
    whole = translator.translate([" ".join(part.capitalize() for part in parts)], Options(1))[0]
    each = translator.translate([part.capitalize() for part in parts], Options(1))
    assert whole.text == " ".join(one.text for one in each)
    assert whole.tokens == sum(one.tokens for one in each)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        pytest.param("x" * (MAX_TEXT_BYTES + 1), TextTooLongError, "1,048,577 bytes", id="bytes"),
        pytest.param("語" * 100_000, TextTooLongError, "more than 65,536 tokens", id="tokens"),
        pytest.param("a\ud800b", TextRefusedError, "surrogate pair at character 1", id="surrogate"),
    ],
)
def test_what_is_not_translated_is_named(
    translator: Translator, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        translator.prepare(text)


def test_a_translation_that_does_not_end_says_so(translator: Translator) -> None:
    prepared = translator.prepare("ba do")
    cut = engine.Hypothesis(("▁ba",) * 32, -32.0, 32, finished=False)
    translation = translator.finish(prepared, [cut])
    assert translation.truncated
    assert translation.score == -1.0


def test_the_limit_of_positions_is_never_passed(translator: Translator) -> None:
    limit = json.loads((translator.engine.folder / "manifest.json").read_bytes())["maxTokens"]
    prepared = translator.prepare(" ".join(sentences(30)))
    assert max(map(len, prepared.sources)) <= limit
    assert len(prepared.sources) > 1


def fed_otherwise(folder: Path, tokens: Tokens, **config: object) -> None:
    """Make the artifact one whose engine is fed as an imported model may be."""
    path = folder / "ctranslate2/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    shutil.copy(folder / "vocabulary.model", folder / "target.model")
    manifest, _ = artifact.read_manifest(folder)
    artifact.write_manifest(folder, replace(manifest, tokens=tokens))


def test_an_engine_that_appends_the_end_mark_is_not_given_it(
    copy: Path, translator: Translator
) -> None:
    fed_otherwise(copy, Tokens("target.model", None, 1), add_source_eos=True)
    imported = Translator(engine.load(copy, None, FLOAT32, ONE))
    assert imported.engine.limit == translator.engine.limit == 31
    texts = [*sentences(20), " ".join(sentences(30)), "", " "]
    ours, theirs = (one.translate(texts, Options(2)) for one in (translator, imported))
    assert [one.text for one in theirs] == [one.text for one in ours]
    assert [one.source_pieces for one in theirs] == [one.source_pieces for one in ours]
    assert theirs[0].source_tokens == ours[0].source_tokens - 1


def test_each_side_has_its_own_vocabulary(copy: Path, translator: Translator) -> None:
    fed_otherwise(copy, Tokens("target.model", "</s>"))
    (copy / "target.model").write_bytes(vocabulary_model(seed=7))
    manifest, _ = artifact.read_manifest(copy)
    artifact.write_manifest(copy, manifest)
    loaded = engine.load(copy, None, FLOAT32, ONE)
    assert loaded.encode("ba do") == translator.engine.encode("ba do")
    assert loaded.decode(["▁ba", "do"]) == "bado"


def test_a_vocabulary_outside_the_artifact_is_refused(copy: Path) -> None:
    (copy.parent / "outside.model").write_bytes((copy / "vocabulary.model").read_bytes())
    fed_otherwise(copy, Tokens("../outside.model"))
    with pytest.raises(BadArtifactError, match="no file of it"):
        engine.load(copy, None, FLOAT32, ONE)
