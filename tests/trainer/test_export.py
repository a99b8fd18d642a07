"""What is published: both exports say the same, and nothing half-made is ever seen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
from tests.trainer import builders

from mt_contract import artifact
from mt_contract.errors import ParityError
from mt_trainer import chrf, config, device, encoded, profile, tokenizer
from mt_trainer.config import Job
from mt_trainer.encoded import Encoded
from mt_trainer.samples import Samples

device.quiet_environment()
tf = pytest.importorskip("tensorflow")

SENTENCES = [source for source, _ in builders.pairs(150, seed=2)]
OTHERS = ["unknown letters żółw 日本", "x", "one " * 22, "…", "two. Three? (four)"]


@dataclass(frozen=True)
class Built:
    """An artifact of a network with random weights: every decision is as close as they come."""

    folder: Path
    job: Job
    vocabulary: bytes
    encoded: Encoded
    weights: np.ndarray


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    from mt_trainer import model, publish

    folder = tmp_path_factory.mktemp("export")
    job = config.from_environment(builders.environment(folder / "out"))
    text, vocabulary = builders.text(folder)
    sizes = model.Sizes.of(
        job.recipe.training.architecture, tokenizer.load(vocabulary).vocab_size()
    )
    network = model.build(sizes, 3)
    weights = np.concatenate([v.numpy().ravel() for v in network.trainable_variables])
    weights += np.random.default_rng(3).normal(0, 0.1, weights.shape).astype(np.float32)
    samples = Samples(SENTENCES + OTHERS, builders.pairs(40, seed=3))
    trained = publish.Trained(weights, vocabulary, profile.profile(text), "sha256:0", samples)
    made = publish.build(job, trained)
    return Built(publish.publish(made, job.out), job, vocabulary, text, weights)


def test_the_artifact_is_whole_and_says_what_it_is(built: Built) -> None:
    manifest = artifact.verify(built.folder)
    assert manifest.recipe_digest == built.job.digest
    assert (manifest.run, manifest.max_tokens, manifest.source_language) == ("pt-en-1", 24, "en")
    assert {"vocabulary.model", "profile.json", "saved_model/saved_model.pb"} <= set(manifest.files)
    assert {"ctranslate2/model.bin", "ctranslate2/config.json"} <= set(manifest.files)
    assert manifest.versions["keras"]
    assert sorted(path.name for path in built.job.out.iterdir()) == ["exports.json", "model"]


@pytest.fixture(scope="module")
def exports(built: Built) -> Any:
    from mt_trainer import model, weights
    from mt_trainer.parity import Exports

    network = model.build(sizes(built), 3)
    weights.assign(network, built.weights)
    return Exports.load(network, built.vocabulary, built.folder)


def sizes(built: Built) -> Any:
    from mt_trainer import model

    processor = tokenizer.load(built.vocabulary)
    return model.Sizes.of(built.job.recipe.training.architecture, processor.vocab_size())


@pytest.mark.slow
def test_a_network_that_differs_is_not_published(
    built: Built, exports: Any, tmp_path: Path
) -> None:
    from mt_trainer import convert, model, parity

    pieces = tokenizer.pieces(tokenizer.load(built.vocabulary))
    convert.save(model.build(sizes(built), 4), pieces, tmp_path / "other")
    with pytest.raises(ParityError, match="disagree"):
        parity.check(replace(exports, converted=tmp_path / "other"), Samples(SENTENCES[:64]))


def test_the_comparison_ends_when_its_time_is_over(exports: Any) -> None:
    from mt_trainer import parity

    seconds = iter(range(0, 10_000, 100))
    found = parity.check(exports, Samples(SENTENCES), lambda: float(next(seconds)))
    assert 0 < found.greedy.sentences < len(SENTENCES)
    assert found.int8 is None


Translate = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def translate(exports: Any) -> Translate:
    return lambda texts, beam_size=1: {
        name: value.numpy() for name, value in exports.translate(texts, beam_size).items()
    }


def test_an_empty_batch_is_answered_with_an_empty_one(translate: Translate) -> None:
    found = translate([])
    assert {name: len(value) for name, value in found.items()} == dict.fromkeys(found, 0)


def test_empty_text_is_translated_to_empty_text(translate: Translate) -> None:
    found = translate(["", "one two", " \t "])
    assert [text == b"" for text in found["text"]] == [True, False, True]
    assert found["scores"][0] == 0
    assert not any(found["tokens"][0])


def test_neighbours_do_not_change_a_translation(translate: Translate) -> None:
    alone, together = translate(["one two"]), translate(["", "one two", *SENTENCES])
    assert together["text"][1] == alone["text"][0]
    assert together["scores"][1] == pytest.approx(alone["scores"][0], abs=1e-5)


def test_attention_is_spread_over_the_source(translate: Translate) -> None:
    found = translate(["one two three", "four"])
    said = found["tokens"] != b""
    sums = found["attention"].sum(-1)
    np.testing.assert_allclose(sums[said], 1, atol=1e-4)
    np.testing.assert_allclose(sums[~said], 0, atol=1e-6)


def test_a_sentence_that_is_too_long_is_cut(translate: Translate) -> None:
    cut = translate(["one " * 200])
    assert cut["tokens"].shape[1] <= 24
    assert cut["attention"].shape[2] == 24


def test_weights_are_stored_once_in_each_export(built: Built) -> None:
    variables = built.folder / "saved_model/variables/variables.data-00000-of-00001"
    for path in (variables, built.folder / "ctranslate2/model.bin"):
        assert built.weights.nbytes <= path.stat().st_size < 1.2 * built.weights.nbytes


def test_the_engine_quantises_the_files_while_it_loads(built: Built) -> None:
    engine = ctranslate2.Translator(str(built.folder / "ctranslate2"), compute_type="int8")
    pieces = tokenizer.load(built.vocabulary).encode("one two", out_type=str)
    found = engine.translate_batch([[*pieces, "</s>"]], max_decoding_length=24)[0].hypotheses[0]
    assert engine.compute_type.startswith("int8")
    assert found


def test_publishing_again_replaces_the_whole(built: Built, tmp_path: Path) -> None:
    from mt_trainer import publish

    out = tmp_path / "out"
    (out / "model").mkdir(parents=True)
    (out / "model" / "stale").write_text("")
    shutil.copytree(built.folder, out / ".model.aside")
    place = publish.publish(out / ".model.aside", out)
    artifact.verify(place)
    assert [path.name for path in out.iterdir()] == ["model"]


def test_the_profile_counts_every_pair_in_every_feature(built: Built) -> None:
    found = json.loads((built.folder / "profile.json").read_text())
    assert found["examples"] == built.encoded.pairs
    for name, feature in found["features"].items():
        assert len(feature["counts"]) == len(feature["bounds"]) + 1
        assert sum(feature["counts"]) == built.encoded.pairs, name
    assert set(found["features"]) == set(profile.BOUNDS)


def test_a_value_on_a_bound_is_counted_below_it(tmp_path: Path) -> None:
    path = builders.write(tmp_path / "t", [("one two", "unu du")])
    processor = tokenizer.load(builders.text(tmp_path)[1])
    one = encoded.encode(path, processor, 24, tmp_path / "tokens")
    counts = profile.profile(one)["features"]["lengthRatio"]
    assert counts["counts"][counts["bounds"].index(1.0)] == 1


BEAMS = (1, 2, 4, 7)


@pytest.mark.parametrize("size", BEAMS)
def test_a_beam_finds_what_the_engine_finds(built: Built, translate: Translate, size: int) -> None:
    processor = tokenizer.load(built.vocabulary)
    texts = [text for text in SENTENCES[:60] + OTHERS if len(processor.encode(text)) < 24]
    engine = ctranslate2.Translator(str(built.folder / "ctranslate2"), compute_type="float32")
    wanted = engine.translate_batch(
        [[*processor.encode(text, out_type=str), "</s>"] for text in texts],
        beam_size=size,
        max_decoding_length=24,
        return_scores=True,
    )
    found = translate(texts, size)
    said = [[token.decode() for token in row if token] for row in found["tokens"]]
    said = [[token for token in row if token != "</s>"] for row in said]
    assert said == [one.hypotheses[0] for one in wanted]
    np.testing.assert_allclose(found["scores"], [one.scores[0] for one in wanted], atol=1e-5)


@pytest.mark.parametrize("size", BEAMS)
def test_a_beam_takes_no_text_empty_text_and_text_among_others(
    translate: Translate, size: int
) -> None:
    assert {name: len(value) for name, value in translate([], size).items()} == dict.fromkeys(
        ("text", "tokens", "scores", "attention"), 0
    )
    alone, together = translate(["one two"], size), translate(["", "one two", *SENTENCES], size)
    assert together["text"][1] == alone["text"][0]
    assert (together["text"][0], together["scores"][0]) == (b"", 0)


@pytest.mark.parametrize("size", [0, -1, 5000])
def test_a_beam_that_cannot_be_is_refused(translate: Translate, size: int) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="beam_size must be from 1"):
        translate(["one"], size)


def test_how_the_exports_compare_is_kept(built: Built) -> None:
    found = json.loads((built.job.out / "exports.json").read_text())
    assert found["greedy"]["sentences"] == found["beam"]["sentences"] == 154
    assert (found["greedy"]["different"], found["beam"]["different"]) == (0, 0)
    assert found["beam"]["beamSize"] == 4
    assert found["int8"]["sentences"] == 40


def test_weights_are_kept_by_name(built: Built) -> None:
    from mt_trainer import model, weights

    arrays = weights.read(built.folder / "weights.safetensors", sizes(built))
    assert arrays["decoder_0/cross_attention/query/kernel"].shape == (32, 32)
    assert sum(array.size for array in arrays.values()) == built.weights.size
    fresh = model.build(sizes(built), 9)
    weights.start_from(fresh, arrays)
    np.testing.assert_array_equal(
        np.concatenate([v.numpy().ravel() for v in fresh.trainable_variables]), built.weights
    )


@pytest.mark.parametrize(
    ("pairs", "wanted"),
    [  # as sacreBLEU 2.6 says
        pytest.param([("the cat sat on the mat", "the cat is on the mat")], 64.5779, id="one"),
        pytest.param([("", "a b")], 0.0, id="nothing said"),
        pytest.param([("a", "a")], 100.0, id="one letter"),
        pytest.param([("um dois", "três quatro"), ("a", "bc")], 4.5455, id="little in common"),
    ],
)
def test_chrf_is_that_of_sacrebleu(pairs: list[tuple[str, str]], wanted: float) -> None:
    assert chrf.score(pairs) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.slow
def test_plain_tensorflow_translates_with_the_saved_model(built: Built, tmp_path: Path) -> None:
    program = """
import sys
import tensorflow as tf
import tensorflow_text
loaded = tf.saved_model.load(sys.argv[1])
text = tf.constant(["one two", ""])
greedy = loaded.signatures["serving_default"](text=text)
beam = loaded.signatures["serving_beam"](text=text, beam_size=tf.constant(4))
assert not [name for name in sys.modules if name.startswith(("mt_", "ctranslate2"))]
print(greedy["text"].numpy()[0].decode(), beam["text"].numpy()[0].decode(), sep="\\n")
"""
    environment = {"PATH": os.environ["PATH"], "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(built.folder / "saved_model")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    from mt_trainer import decode

    here = decode.load(built.folder / "saved_model")
    wanted = [here(["one two"], size)["text"].numpy()[0].decode() for size in (1, 4)]
    assert done.stdout.splitlines()[-2:] == wanted
