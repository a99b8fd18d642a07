"""Both engines in one table: what serves must not depend on what computes it.

TensorFlow's rows are slow, and run where it is installed and the trainer is known (`make slow`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.predictor import builders, running
from tests.predictor.builders import job
from tests.predictor.running import ROOT, predict, serving

from mt_contract import artifact
from mt_contract.errors import BadArtifactError, ConfigurationError
from mt_predictor import engine, evaluate, on_tensorflow, translate
from mt_predictor.cpu import Threads
from mt_predictor.engine import Hypothesis, Search, UnsupportedSearchError
from mt_predictor.settings import EngineSettings
from mt_predictor.tokenizer import Tokenizer
from mt_predictor.translator import NOTHING, Options, Translator

THREADS = Threads(2, 1)
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SENTENCES = [" ".join(WORDS[(3 * n + k * k) % 10] for k in range(1 + n % 6)) for n in range(40)]
STRANGE = [
    "żółw 日本 two",
    "🏳️‍🌈",
    "\0\x01 one",
    "…",
    "ONE Two",
    "<s> </s> one",
    "\u2581",
    "one\u200btwo",
]
with_tensorflow = pytest.mark.slow
ENGINES = ["CTranslate2", pytest.param("TensorFlow", marks=with_tensorflow)]


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("trained") / "model"
    if not (python := os.environ.get("MT_TRAINER_PYTHON")):
        pytest.skip("MT_TRAINER_PYTHON does not name the trainer's environment (see the Makefile)")
    path = ":".join(str(ROOT / name) for name in (".", "crds", "corpus", "trainer_image"))
    command = [python, "-m", "tests.predictor.trained", str(folder)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def loaded(folder: Path, name: str) -> Translator:
    return Translator(engine.load(folder, None, EngineSettings(name, "Float32", 1), THREADS))


@pytest.fixture(scope="session")
def both(trained_folder: Path) -> tuple[Translator, Translator]:
    """One model in both engines."""
    return loaded(trained_folder, "CTranslate2"), loaded(trained_folder, "TensorFlow")


@pytest.fixture(params=ENGINES)
def either(request: pytest.FixtureRequest) -> Translator:
    if request.param == "TensorFlow":
        found: Translator = request.getfixturevalue("both")[1]
    else:
        found = request.getfixturevalue("translator")
    return found


@pytest.mark.parametrize("text", ["", " ", "\t\n \u2003"])
@pytest.mark.parametrize("beam_size", [1, 4])
def test_nothing_in_nothing_out(either: Translator, text: str, beam_size: int) -> None:
    assert either.translate([text], Options(beam_size)) == [NOTHING]


def test_no_texts_no_translations(either: Translator) -> None:
    assert either.translate([], Options(4)) == []


@pytest.mark.parametrize("beam_size", [1, 4])
def test_company_changes_no_translation(either: Translator, beam_size: int) -> None:
    texts = [*SENTENCES, *STRANGE, ""]
    together = either.translate(texts, Options(beam_size, batch_tokens=64))
    alone = [either.translate([text], Options(beam_size))[0] for text in texts]
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.score for one in together] == pytest.approx([one.score for one in alone], abs=1e-4)


@pytest.mark.parametrize("text", STRANGE)
def test_any_characters_have_an_answer(either: Translator, text: str) -> None:
    [found] = either.translate([text], Options(2))
    assert (found.tokens > 0) == (found.source_tokens > 0)  # a mark of SentencePiece's is a blank
    assert found.score <= 0
    assert found.target_pieces <= either.engine.manifest.max_tokens


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(". ".join(text.capitalize() for text in SENTENCES), id="sentences"),
        pytest.param("\n\n".join(SENTENCES), id="lines"),
        pytest.param(" ".join(SENTENCES), id="one sentence"),
        pytest.param("one" * 500, id="one word"),
        pytest.param("日本語" * 100, id="bytes"),
    ],
)
def test_very_long_text_is_translated_in_parts(either: Translator, text: str) -> None:
    prepared = either.prepare(text)
    found = either.engine.run(prepared.sources, Search(2))
    assert len(found) == len(prepared.sources) > 1
    whole = either.translate([text], Options(2))[0]
    assert whole.tokens == sum(one.tokens for one in found)
    assert whole.text.count("\n") == text.count("\n")


@pytest.mark.parametrize("beam_size", [1, 3])
def test_each_piece_shares_its_attention_out(either: Translator, beam_size: int) -> None:
    sources = [source for text in SENTENCES[:6] for source in either.prepare(text).sources]
    for source, best in zip(
        sources, either.engine.run(sources, Search(beam_size, attention=True)), strict=True
    ):
        assert best.attention is not None
        assert len(best.attention) == len(best.pieces)
        assert {len(row) for row in best.attention} <= {len(source)}
        assert [sum(row) for row in best.attention] == pytest.approx(
            [1] * len(best.pieces), abs=1e-3
        )


def test_several_threads_share_an_engine(either: Translator) -> None:
    expected = [one.text for one in either.translate(SENTENCES, Options(2))]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda t: either.translate([t], Options(2))[0].text, SENTENCES))
    assert found == expected


def test_what_does_not_end_says_so(either: Translator) -> None:
    longest = either.engine.manifest.max_tokens
    texts = ["".join(word) for word in zip(SENTENCES, reversed(SENTENCES), strict=True)]
    for one in either.engine.run([s for t in texts for s in either.prepare(t).sources], Search(1)):
        assert one.finished == (len(one.pieces) < longest)
        assert one.tokens == len(one.pieces) + one.finished


def test_no_more_is_found_than_the_beam_is_wide(either: Translator) -> None:
    with pytest.raises(UnsupportedSearchError, match="a beam of 2 finds 2 translations, not 3"):
        either.engine.run([], Search(2, n_best=3))


def test_ctranslate2_finds_the_next_best(translator: Translator) -> None:
    [source] = translator.prepare(SENTENCES[5]).sources[:1]
    [best] = translator.engine.run([source], Search(4, n_best=3))
    [alone] = translator.engine.run([source], Search(4))
    assert best.pieces == alone.pieces
    assert len({best.pieces, *(other.pieces for other in best.others)}) == 3
    scores = [one.log_probability / one.tokens for one in (best, *best.others)]
    assert scores == sorted(scores, reverse=True)


@with_tensorflow
def test_tensorflow_refuses_the_next_best(both: tuple[Translator, Translator]) -> None:
    with pytest.raises(UnsupportedSearchError, match="TensorFlow engine returns the best"):
        both[1].engine.run([], Search(4, n_best=2))


@with_tensorflow
@pytest.mark.parametrize("beam_size", [1, 4])
def test_both_engines_say_the_same(both: tuple[Translator, Translator], beam_size: int) -> None:
    texts = [*SENTENCES, *STRANGE, "\n".join(SENTENCES[:5]), " ".join(SENTENCES)]
    ours, theirs = (one.translate(texts, Options(beam_size)) for one in both)
    assert [one.text for one in theirs] == [one.text for one in ours]
    assert [one.tokens for one in theirs] == [one.tokens for one in ours]
    assert [one.score for one in theirs] == pytest.approx([one.score for one in ours], abs=1e-4)
    assert len({one.text for one in ours}) > 20


@with_tensorflow
@pytest.mark.parametrize("beam_size", [1, 4])
def test_both_engines_look_at_the_same(both: tuple[Translator, Translator], beam_size: int) -> None:
    sources = [source for text in SENTENCES for source in both[0].prepare(text).sources]
    search = Search(beam_size, attention=True)
    ours, theirs = (one.engine.run(sources, search) for one in both)
    for our, their in zip(ours, theirs, strict=True):
        assert their.pieces == our.pieces
        for row, other in zip(their.attention or (), our.attention or (), strict=True):
            assert row == pytest.approx(other, abs=1e-3)


class Letters:
    """A tokenizer's stand-in: a piece is a letter, and a text that begins within a word has one
    more, as words have a mark."""

    def decode(self, pieces: list[str]) -> str:
        return "".join(pieces).lstrip("_")

    def encode(self, text: str, out_type: type) -> list[str]:
        return list(f"_{text}")


@given(st.text("ab", min_size=1, max_size=40).map(lambda text: f"_{text}"), st.integers(3, 9))
def test_a_source_that_the_graph_would_cut_is_read_in_halves(text: str, longest: int) -> None:
    reader = on_tensorflow.Network(None, None, Tokenizer(Letters(), Letters()), longest)
    read = reader._read(tuple(text[1:]))
    assert "".join(one.text for one in read) == text[1:]
    assert all(len(one.pieces) < longest for one in read)


@given(st.lists(st.integers(1, 30), max_size=30), st.integers(0, 60))
def test_batches_hold_every_row_once_and_not_too_many_tokens(lengths: list[int], most: int) -> None:
    found = list(on_tensorflow.batches(lengths, most))
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    for batch in found:
        assert batch
        padded = len(batch) * max(lengths[row] for row in batch)
        assert not most or len(batch) == 1 or padded <= most
    assert most or len(found) <= 1


def test_halves_are_told_as_one() -> None:
    first = Hypothesis(("a",), -1.0, 2, True, [[1.0]])
    second = Hypothesis(("b", "c"), -2.0, 2, False, [[1.0], [1.0]])
    whole = on_tensorflow._joined([first, second], exact=False)
    assert whole == Hypothesis(("a", "b", "c"), -3.0, 4, False)


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="it is installed")
def test_an_image_without_tensorflow_says_so(artifact_folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="TensorFlow is not in this image"):
        loaded(artifact_folder, "TensorFlow")


@pytest.mark.parametrize("precision", ["Float32", "BFloat16", "Float16", "Int8", "Int8Float32"])
def test_each_precision_translates_or_is_refused(
    artifact_folder: Path, translator: Translator, precision: str
) -> None:
    wanted = EngineSettings("CTranslate2", precision, 1)
    if wanted.compute_type not in ctranslate2.get_supported_compute_types("cpu"):
        with pytest.raises(ConfigurationError, match=f"precision {precision} is not offered"):
            engine.load(artifact_folder, None, wanted, THREADS)
        return
    found = Translator(engine.load(artifact_folder, None, wanted, THREADS))
    same = [
        one.text == other.text
        for one, other in zip(
            found.translate(builders.sentences(40), Options(1)),
            translator.translate(builders.sentences(40), Options(1)),
            strict=True,
        )
    ]
    assert sum(same) > (39 if precision == "Float32" else 4)


@with_tensorflow
def test_an_artifact_without_a_graph_is_refused(artifact_folder: Path) -> None:
    pytest.importorskip("tensorflow")
    with pytest.raises(BadArtifactError, match=r"no saved_model/.*set serving\.engine to CTransl"):
        loaded(artifact_folder, "TensorFlow")


@with_tensorflow
def test_a_graph_that_is_none_is_refused(trained_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trained_folder, tmp_path / "model"))
    (copy / "saved_model/saved_model.pb").write_bytes(b"no graph")
    manifest, _ = artifact.read_manifest(copy)
    artifact.write_manifest(copy, manifest)
    with pytest.raises(BadArtifactError, match="no model that this release loads"):
        loaded(copy, "TensorFlow")


@with_tensorflow
def test_tensorflow_serves(
    trained_folder: Path, tmp_path: Path, both: tuple[Translator, Translator]
) -> None:
    wanted = json.dumps({"engine": "TensorFlow", "precision": "Float32", "beamSize": 2})
    with serving(trained_folder, tmp_path, MT_ENGINE=wanted) as server:
        path = f"/v1/models/{running.MODEL}:predict"
        answer = server.post(path, predict(*SENTENCES)).json()["predictions"]
        expected = both[0].translate(SENTENCES, Options(2))
        assert [one["translation"] for one in answer] == [one.text for one in expected]
        refused = server.post(path, predict("one", parameters={"n_best": 2}))
        assert refused.status_code == 400
        assert "TensorFlow engine returns the best translation only" in refused.json()["error"]


@with_tensorflow
def test_tensorflow_is_evaluated_against_the_other_engine(
    trained_folder: Path, tmp_path: Path
) -> None:
    ours, theirs = (
        {"engine": name, "precision": "Float32", "beamSize": 2}
        for name in ("TensorFlow", "CTranslate2")
    )
    _, digest = artifact.read_manifest(trained_folder)
    baseline = {"uri": str(trained_folder), "digest": digest, "engine": theirs}
    evaluate.run(job(tmp_path, trained_folder, MT_ENGINE=ours, MT_BASELINE=baseline))
    document = json.loads((tmp_path / "run/evaluation/report.json").read_text())
    whole = next(part for part in document["parts"] if part["slice"] is None)
    for told in whole["metrics"].values():
        assert told["candidate"] == told["baseline"]
    assert document["engine"]["engine"] == "TensorFlow"
    assert document["versions"]["tensorflow-cpu"]
    assert document["attention"]


@with_tensorflow
def test_tensorflow_translates_on_a_laptop(
    trained_folder: Path,
    both: tuple[Translator, Translator],
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = {"engine": "TensorFlow", "precision": "Float32", "beamSize": 2}
    arguments = argparse.Namespace(model=str(trained_folder), beam_size=4, text=SENTENCES[:3])
    translate.run(arguments, {"MT_ENGINE": json.dumps(wanted)})
    expected = both[0].translate(SENTENCES[:3], Options(4))
    assert capsys.readouterr().out.splitlines() == [one.text for one in expected]


def test_ctranslate2_serves_without_tensorflow(translator: Translator, tmp_path: Path) -> None:
    """Not one of its modules is loaded for the other engine."""
    arguments = ["translate", "--model", str(translator.engine.folder), "ba do"]
    wanted: dict[str, Any] = {"engine": "CTranslate2", "precision": "Float32", "beamSize": 1}
    blocked = tmp_path / "tensorflow"
    blocked.mkdir()
    (blocked / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')")
    path = f"{tmp_path}:{running.environment(tmp_path)['PYTHONPATH']}"
    done = running.program(tmp_path, *arguments, PYTHONPATH=path, MT_ENGINE=json.dumps(wanted))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
