"""An import: what can be served becomes an artifact, all else is refused with what to do."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st
from tests.trainer import builders, engines, program

from mt_contract import artifact, names, report, resource
from mt_contract.artifact import Manifest, Tokens
from mt_contract.errors import BadArtifactError, ConfigurationError, ProgramError
from mt_contract.report import Failure, TrainResult
from mt_trainer import engine_file, import_config, importing
from mt_trainer.__main__ import main
from mt_trainer.import_config import Import
from mt_trainer.signals import Stopper

SOURCE, TARGET = engines.tokenizer(), engines.tokenizer(engines.TARGET_WORDS)
TEXTS = ["gato verde", "casa muito pequeno corre come", "dorme"]
APPENDS = {"add_source_eos": True}


def asked(source: Path, digest: str | None = None, pair: tuple[str, str] = ("pt", "en")) -> Import:
    return Import(
        run="import-1",
        out=source.parent / "out",
        uri="pvc://models/import-1",
        source=source,
        origin=resource.Import(str(source), digest),
        languages=pair,
    )


def foreign(folder: Path, **of: Any) -> Path:
    """Write a model such as OPUS-MT's are, changed by ``of``, and return where."""
    usual = {"source": SOURCE, "target": TARGET, "config": APPENDS}
    return engines.write(folder / "source", **(usual | of))


def manifest_of(source: Path) -> Manifest:
    importing.run(asked(source))
    return artifact.verify(source.parent / "out" / names.MODEL_FOLDER)


@pytest.mark.parametrize(
    ("of", "tokens", "most"),
    [
        pytest.param({}, Tokens("target.model", None, 1), 256, id="the engine ends sentences"),
        pytest.param(
            {"config": APPENDS | {"add_source_bos": True}},
            Tokens("target.model", None, 2),
            256,
            id="and begins them",
        ),
        pytest.param({"target": None}, Tokens(None, None, 1), 256, id="one tokenizer for both"),
        pytest.param(
            {"positions": 40}, Tokens("target.model", None, 1), 40, id="a table of positions"
        ),
        pytest.param({"positions": 4000}, Tokens("target.model", None, 1), 512, id="a long table"),
    ],
)
def test_how_a_model_is_fed_is_found_out(
    tmp_path: Path, of: dict[str, Any], tokens: Tokens, most: int
) -> None:
    manifest = manifest_of(foreign(tmp_path, **of))
    assert (manifest.tokens, manifest.max_tokens) == (tokens, most)


@pytest.mark.parametrize(
    ("instead", "end"),
    [
        pytest.param({}, "</s>", id="known"),
        pytest.param({"</s>": "<other>"}, None, id="unknown"),
        pytest.param({"<s>": "<blank>"}, None, id="known to OpenNMT, for targets"),
    ],
)
def test_an_end_mark_is_appended_to_sources_of_models_that_know_it(
    tmp_path: Path, instead: dict[str, str], end: str | None
) -> None:
    source = foreign(tmp_path, config={})
    path = source / "source_vocabulary.json"
    pieces = json.loads(path.read_text())
    path.write_text(json.dumps([instead.get(piece, piece) for piece in pieces]))
    assert manifest_of(source).tokens == Tokens("target.model", end)


def test_the_artifact_says_what_it_is(tmp_path: Path) -> None:
    source = foreign(tmp_path)
    result = importing.run(asked(source))
    manifest = artifact.verify(tmp_path / "out/model", result.artifact["digest"])
    assert result.artifact["uri"] == "pvc://models/import-1/model"
    assert result.artifact["sizeBytes"] == manifest.size_bytes
    assert result.dataset == {}
    assert (manifest.source_language, manifest.target_language) == ("pt", "en")
    assert manifest.recipe["import"] == {"uri": str(source)}
    assert manifest.recipe_digest == names.digest(manifest.recipe)
    assert (manifest.run, manifest.dataset_digest) == ("import-1", "")
    assert set(manifest.files) == {
        "vocabulary.model",
        "target.model",
        "ctranslate2/model.bin",
        "ctranslate2/config.json",
        "ctranslate2/source_vocabulary.json",
        "ctranslate2/target_vocabulary.json",
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "import.json",
        "model",
        "train-result.json",
    ]


def test_it_translates_as_the_model_does_by_itself(tmp_path: Path) -> None:
    engine = pytest.importorskip("mt_predictor.engine")
    from mt_predictor.cpu import Threads
    from mt_predictor.settings import EngineSettings
    from mt_predictor.translator import Options, Translator

    source = foreign(tmp_path)
    manifest_of(source)
    ours = Translator(
        engine.load(
            tmp_path / "out/model", None, EngineSettings("CTranslate2", "Float32", 3), Threads(1, 1)
        )
    )
    theirs = ctranslate2.Translator(str(source))
    encode = sentencepiece.SentencePieceProcessor(model_proto=SOURCE).encode
    decode = sentencepiece.SentencePieceProcessor(model_proto=TARGET).decode
    found = theirs.translate_batch(
        [encode(text, out_type=str) for text in TEXTS], beam_size=3, max_decoding_length=256
    )
    assert [one.text for one in ours.translate(TEXTS, Options(3))] == [
        decode(one.hypotheses[0]) for one in found
    ]
    assert ours.translate([" "], Options(3))[0].text == ""


def test_a_quantised_model_is_taken_as_it_is(tmp_path: Path) -> None:
    manifest_of(foreign(tmp_path, quantization="int8"))
    told = json.loads((tmp_path / "out/import.json").read_text())
    assert told["found"]["precision"] == "int8"


def test_a_few_pieces_may_be_unknown_to_the_engine(tmp_path: Path) -> None:
    big = engines.tokenizer([*engines.SOURCE_WORDS, *map(str, range(3000, 3400))], 500)
    source = foreign(tmp_path, source=big)
    path = source / "source_vocabulary.json"
    path.write_text(json.dumps([*json.loads(path.read_text())[:-1], "other"]))
    manifest_of(source)
    assert json.loads((tmp_path / "out/import.json").read_text())["found"]["unknown"] == 1


Spoil = Callable[[Path], object]


def put(name: str, content: bytes) -> Spoil:
    return lambda source: (source / name).write_bytes(content)


def gone(name: str) -> Spoil:
    return lambda source: (source / name).unlink()


def linked(name: str) -> Spoil:
    def spoil(source: Path) -> None:
        (source / name).rename(source.parent / "elsewhere")
        (source / name).symlink_to(source.parent / "elsewhere")

    return spoil


def configured(**change: object) -> Spoil:
    def spoil(source: Path) -> None:
        path = source / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return spoil


def changed(name: str, first: int, content: bytes) -> Spoil:
    def spoil(source: Path) -> None:
        data = bytearray((source / name).read_bytes())
        data[first : first + len(content)] = content
        (source / name).write_bytes(data)

    return spoil


def halved(source: Path) -> None:
    data = (source / "model.bin").read_bytes()
    (source / "model.bin").write_bytes(data[: len(data) // 2])


def with_tags(*tags: str) -> Spoil:
    def spoil(source: Path) -> None:
        path = source / "source_vocabulary.json"
        pieces = json.loads(path.read_text())
        path.write_text(json.dumps([*pieces[: -len(tags)], *tags]))

    return spoil


def no_number(source: Path) -> None:
    """Make one weight no number."""
    path = source / "model.bin"
    data, name = bytearray(path.read_bytes()), b"decoder/projection/bias\0"
    begin = data.index(name) + len(name) + 1 + 4 + 1 + 4  # rank, one dimension, type, bytes
    data[begin : begin + 4] = struct.pack("<f", float("nan"))
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(gone("model.bin"), "has no model.bin", id="no weights"),
        pytest.param(gone("config.json"), "has no config.json", id="no configuration"),
        pytest.param(gone("target_vocabulary.json"), "no vocabulary of its target", id="half"),
        pytest.param(
            lambda s: [p.unlink() for p in s.glob("*.spm")], "no SentencePiece model", id="no spm"
        ),
        pytest.param(
            lambda s: (s / "source.spm").rename(s / "a.spm"), "cannot be told", id="unclear names"
        ),
        pytest.param(put("third.spm", b""), "cannot be told", id="three tokenizers"),
        pytest.param(put("source.spm", b"no model"), "no SentencePiece", id="no tokenizer"),
        pytest.param(
            lambda s: shutil.copy(s / "target.spm", s / "source.spm"),
            "pieces of the source tokenizer are not in",
            id="the tokenizer of another model",
        ),
        pytest.param(linked("model.bin"), "not a plain file", id="weights behind a link"),
        pytest.param(linked("source.spm"), "not a plain file", id="a tokenizer behind a link"),
        pytest.param(
            lambda s: ((s / "config.json").unlink(), os.mkfifo(s / "config.json")),
            "not a plain file",
            id="a pipe",
        ),
        pytest.param(put("config.json", b" " * (2 << 20)), "larger than any", id="huge"),
        pytest.param(put("config.json", b"{"), "not JSON", id="broken configuration"),
        pytest.param(put("config.json", b"[]"), "not an object", id="a list as configuration"),
        pytest.param(
            put("source_vocabulary.json", b'{"a": 1}'), "no list of pieces", id="another vocabulary"
        ),
        pytest.param(put("source_vocabulary.json", b"["), "no list of pieces", id="broken pieces"),
        pytest.param(put("model.bin", b""), "not a whole", id="empty weights"),
        pytest.param(put("model.bin", b"PK\3\4" + bytes(99)), "binary version", id="an archive"),
        pytest.param(
            changed("model.bin", 0, struct.pack("<I", 7)), "binary version 7", id="a later version"
        ),
        pytest.param(
            changed("model.bin", 6, b"WhisperSpec\0\0\0\0"), "is a WhisperSpec", id="another kind"
        ),
        pytest.param(halved, "in the middle|not a whole", id="half of the weights"),
        pytest.param(no_number, "no numbers", id="weights that are no numbers"),
        pytest.param(configured(decoder_start_token=None), "has to be told", id="no start"),
        pytest.param(
            with_tags("__pt__", "__en__", "__fr__"), "__en__, __fr__, __pt__", id="many languages"
        ),
        pytest.param(
            with_tags("eng_Latn", "por_Latn", "fra_Latn"), "eng_Latn", id="NLLB's languages"
        ),
        pytest.param(with_tags(">>eng<<", ">>deu<<", ">>nld<<"), ">>deu<<", id="OPUS-MT's"),
    ],
)
def test_what_cannot_be_served_is_refused_and_leaves_nothing(
    tmp_path: Path, spoil: Spoil, words: str
) -> None:
    source = foreign(tmp_path)
    spoil(source)
    with pytest.raises(BadArtifactError, match=words):
        importing.run(asked(source))
    assert list((tmp_path / "out").iterdir()) == []


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_model_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "model.bin"
    path.write_bytes(struct.pack("<I", engine_file.BINARY_VERSION) + data)
    with suppress(BadArtifactError):
        assert engine_file.read(path).variables is not None


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Return an artifact."""
    manifest_of(foreign(tmp_path))
    place = tmp_path / "again" / "model"
    shutil.copytree(tmp_path / "out/model", place)
    return place


def test_an_artifact_is_copied_as_it_is(ours: Path) -> None:
    _, digest = artifact.read_manifest(ours)
    result = importing.run(asked(ours, digest))
    assert result.artifact["digest"] == digest
    assert artifact.verify(ours.parent / "out/model", digest).run == "import-1"


def with_other_weights(ours: Path) -> None:
    data = bytearray((ours / "ctranslate2/model.bin").read_bytes())
    data[-1] ^= 1
    (ours / "ctranslate2/model.bin").write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "digest", "pair", "error", "words"),
    [
        pytest.param(
            with_other_weights, None, ("pt", "en"), BadArtifactError, "differs", id="damaged"
        ),
        pytest.param(
            lambda _: None, "sha256:0", ("pt", "en"), BadArtifactError, "sha256:0", id="another"
        ),
        pytest.param(
            lambda _: None, None, ("en", "pt"), ConfigurationError, "pt to en, not", id="languages"
        ),
    ],
)
def test_an_artifact_that_is_not_the_one_named_is_refused(
    ours: Path,
    spoil: Spoil,
    digest: str | None,
    pair: tuple[str, str],
    error: type[ProgramError],
    words: str,
) -> None:
    spoil(ours)
    with pytest.raises(error, match=words):
        importing.run(asked(ours, digest, pair))
    assert not (ours.parent / "out/model").exists()


@pytest.mark.parametrize(
    ("name", "digest", "words"),
    [
        pytest.param("none", None, "no folder", id="nothing there"),
        pytest.param("out", None, "name its model/", id="a run's folder"),
        pytest.param("source", "sha256:1", "leave it out", id="a digest of no manifest"),
    ],
)
def test_what_is_named_wrongly_is_refused(
    tmp_path: Path, name: str, digest: str | None, words: str
) -> None:
    manifest_of(foreign(tmp_path))
    (tmp_path / "out" / importing.IMPORT).unlink()
    with pytest.raises(ConfigurationError, match=words):
        importing.run(asked(tmp_path / name, digest))


def test_what_was_imported_is_not_imported_again(tmp_path: Path) -> None:
    source = foreign(tmp_path)
    first = importing.run(asked(source))
    shutil.rmtree(source)
    assert importing.run(asked(source)) == first
    (tmp_path / "out/model/vocabulary.model").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="no folder"):
        importing.run(asked(source))


def call(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], log: Path) -> int:
    monkeypatch.setattr(Stopper, "install", lambda self: None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    log.write_text("")
    return main(["import", "--termination-log", str(log)])


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        pytest.param({}, 0, "", id="a Job"),
        pytest.param({"MT_IMPORT": ""}, 2, "MT_IMPORT is not set", id="nothing named"),
        pytest.param({"MT_IMPORT": "{}"}, 2, "uri", id="no URI"),
        pytest.param({"MT_IMPORT": '{"uri": "pvc://c/../x"}'}, 2, r"'..'", id="a way out"),
        pytest.param({"MT_LANGUAGES": "pt"}, 2, "write source and target", id="one language"),
    ],
)
def test_a_job_ends_with_its_code_and_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: dict[str, str], code: int, words: str
) -> None:
    environment = {
        "MT_IMPORT": json.dumps({"uri": str(foreign(tmp_path))}),
        "MT_LANGUAGES": "pt-en",
        "MT_RUN": "import-1",
        "MT_OUTPUT": str(tmp_path / "out"),
    }
    log = tmp_path / "log"
    assert call(monkeypatch, environment | change, log) == code
    message = report.decode(log.read_text())
    assert isinstance(message, Failure if code else TrainResult)
    assert not isinstance(message, Failure) or words in message.message


@pytest.mark.parametrize(
    ("languages", "pair"),
    [
        ("pt-en", ("pt", "en")),
        ("pt-BR-en", ("pt-BR", "en")),
        ("zh-Hans-en-GB", ("zh-Hans", "en-GB")),
        ("por-eng", ("por", "eng")),
    ],
)
def test_languages_are_told_apart(languages: str, pair: tuple[str, str]) -> None:
    assert import_config.pair(languages) == pair


@pytest.mark.parametrize("languages", ["", "pt", "PT-EN", "pt-br-en", "-"])
def test_languages_that_are_not_two_are_refused(languages: str) -> None:
    with pytest.raises(ConfigurationError, match="write source and target"):
        import_config.pair(languages)


@pytest.mark.slow
def test_a_trained_model_is_imported_by_its_parts_and_translates_alike(tmp_path: Path) -> None:
    over = {"training": {"budget": {"maxEpochs": 2}}}
    program.run(
        "train", str(builders.recipe_file(tmp_path, over)), "--out", str(tmp_path / "trained")
    )
    model = tmp_path / "trained/model"
    shutil.copytree(model / "ctranslate2", tmp_path / "parts")
    shutil.copy(model / "vocabulary.model", tmp_path / "parts/spm.model")
    arguments = ("--out", str(tmp_path / "imported"), "--languages", "en-eo")
    program.run("import", str(tmp_path / "parts"), *arguments)
    manifest = artifact.verify(tmp_path / "imported/model")
    assert (manifest.tokens, manifest.max_tokens) == (Tokens(end="</s>"), 24)
    for name in ("ctranslate2/model.bin", "vocabulary.model"):
        assert (tmp_path / "imported/model" / name).read_bytes() == (model / name).read_bytes()
