"""What is published: both exports say the same, and nothing half-made is ever seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
from tests.trainer import builders

from mt_contract import artifact
from mt_contract.errors import ParityError
from mt_trainer import config, device, encoded, profile, tokenizer
from mt_trainer.config import Job
from mt_trainer.encoded import Encoded

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
    from mt_trainer import adam, model, publish

    folder = tmp_path_factory.mktemp("export")
    job = config.from_environment(builders.environment(folder / "out"))
    text, vocabulary = builders.text(folder)
    sizes = model.Sizes.of(
        job.recipe.training.architecture, tokenizer.load(vocabulary).vocab_size()
    )
    network = model.build(sizes, 3)
    weights = adam.Adam(network.trainable_variables, 0).mean.numpy()
    weights += np.random.default_rng(3).normal(0, 0.1, weights.shape).astype(np.float32)
    made = publish.build(job, weights, vocabulary, text, SENTENCES + OTHERS, "sha256:0")
    return Built(publish.publish(made, job.out), job, vocabulary, text, weights)


def test_the_artifact_is_whole_and_says_what_it_is(built: Built) -> None:
    manifest = artifact.verify(built.folder)
    assert manifest.recipe_digest == built.job.digest
    assert (manifest.run, manifest.max_tokens, manifest.source_language) == ("pt-en-1", 24, "en")
    assert {"vocabulary.model", "profile.json", "saved_model/saved_model.pb"} <= set(manifest.files)
    assert {"ctranslate2/model.bin", "ctranslate2/config.json"} <= set(manifest.files)
    assert manifest.versions["keras"]
    assert sorted(path.name for path in built.job.out.iterdir()) == ["model"]


def test_a_network_that_differs_is_not_published(built: Built, tmp_path: Path) -> None:
    from mt_trainer import adam, convert, model, parity

    processor = tokenizer.load(built.vocabulary)
    sizes = model.Sizes.of(built.job.recipe.training.architecture, processor.vocab_size())
    other = model.build(sizes, 4)
    convert.save(other, tokenizer.pieces(processor), tmp_path / "other")
    mine = model.build(sizes, 3)
    adam.assign([w.value for w in mine.trainable_variables], built.weights)
    with pytest.raises(ParityError, match="disagree"):
        parity.check(
            mine, built.vocabulary, built.folder / "saved_model", tmp_path / "other", SENTENCES
        )


Translate = Callable[[list[str]], dict[str, Any]]


@pytest.fixture(scope="module")
def translate(built: Built) -> Translate:
    from mt_trainer import decode

    loaded = decode.load(built.folder / "saved_model")
    return lambda texts: {name: value.numpy() for name, value in loaded(texts).items()}


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
