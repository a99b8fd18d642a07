"""A warm start: an earlier model's weights and vocabulary, or a refusal with what to change."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.trainer import builders, program

from mt_contract import artifact, names, report
from mt_contract.artifact import Manifest
from mt_contract.errors import BadArtifactError, ConfigurationError, ProgramError
from mt_contract.report import TrainResult
from mt_contract.resource import Recipe
from mt_trainer import config, device, pipeline, tokenizer, warm_start
from mt_trainer.checkpoint import Position, Store
from mt_trainer.config import Job, Origin

device.quiet_environment()


def parent(folder: Path, **change: Any) -> Origin:
    """Write what looks like an artifact and return what names it."""
    folder.mkdir(parents=True)
    for name in (artifact.VOCABULARY, artifact.WEIGHTS):
        (folder / name).write_bytes(b"for the manifest only")
    manifest = Manifest(
        source_language="en",
        target_language="eo",
        recipe=builders.resolved(),
        recipe_digest="sha256:1",
        dataset_digest="sha256:2",
        max_tokens=24,
        run="toy-1",
        parent_run=None,
        versions={},
    )
    artifact.write_manifest(folder, replace(manifest, **change))
    return warm_start.origin(folder)


def of(architecture: dict[str, Any]) -> Recipe:
    return builders.decoded({"training": {"architecture": architecture}})


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        pytest.param(of({"layers": 6}), "layers is 6, .* has 1: set it to 1", id="layers"),
        pytest.param(of({"modelDimension": 64}), "modelDimension is 64", id="dimension"),
        pytest.param(of({"feedForwardDimension": 32}), "feedForwardDimension is 32", id="inner"),
        pytest.param(of({"heads": 4}), "heads is 4", id="heads"),
        pytest.param(
            builders.decoded({"sourceLanguage": "pt"}), "sourceLanguage is pt", id="source"
        ),
        pytest.param(
            builders.decoded({"targetLanguage": "fr"}), "targetLanguage is fr", id="target"
        ),
    ],
)
def test_a_parent_that_does_not_fit_is_refused_with_the_field(
    tmp_path: Path, wanted: Recipe, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        warm_start.find(parent(tmp_path / "model"), wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(builders.decoded(), id="the same"),
        pytest.param(of({"dropout": "0.3"}), id="another dropout"),
        pytest.param(of({"maxTokens": 64}), id="longer sentences"),
        pytest.param(
            builders.decoded({"training": {"vocabulary": {"size": 999}}}), id="another vocabulary"
        ),
    ],
)
def test_a_parent_that_fits_brings_its_vocabulary(tmp_path: Path, wanted: Recipe) -> None:
    found = warm_start.find(parent(tmp_path / "model"), wanted)
    assert found.vocabulary == b"for the manifest only"


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        pytest.param(
            lambda origin: replace(origin, digest="sha256:0"),
            BadArtifactError,
            "sha256:0 was evaluated",
            id="another model stands there",
        ),
        pytest.param(
            lambda origin: replace(origin, uri=origin.uri + "-none"),
            BadArtifactError,
            "cannot be read",
            id="none stands there",
        ),
        pytest.param(
            lambda origin: replace(origin, uri="ftp://host/model"),
            ConfigurationError,
            "the model to start from",
            id="nobody can read there",
        ),
    ],
)
def test_a_parent_that_is_not_the_one_named_is_refused(
    tmp_path: Path,
    spoil: Callable[[Origin], Origin],
    error: type[ProgramError],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        warm_start.find(spoil(parent(tmp_path / "model")), builders.decoded())


def test_a_parent_without_weights_is_refused(tmp_path: Path) -> None:
    origin = parent(tmp_path / "model")
    (tmp_path / "model" / artifact.WEIGHTS).unlink()
    manifest, _ = artifact.read_manifest(tmp_path / "model")
    artifact.write_manifest(tmp_path / "model", manifest)
    with pytest.raises(ConfigurationError, match="train without warmStartFrom"):
        warm_start.find(warm_start.origin(tmp_path / "model"), builders.decoded())
    with pytest.raises(BadArtifactError, match="but sha256"):
        warm_start.find(origin, builders.decoded())


def test_an_imported_parent_is_refused(tmp_path: Path) -> None:
    origin = parent(tmp_path / "model", recipe={"import": {"uri": "pvc://a/b"}})
    with pytest.raises(ConfigurationError, match="does not say of what sizes"):
        warm_start.find(origin, builders.decoded())


def job(folder: Path, over: dict[str, Any] | None = None) -> Job:
    return config.from_environment(builders.environment(folder / "out", over))


@pytest.mark.parametrize(
    ("origin", "asked", "words"),
    [
        pytest.param(None, "None", [], id="not asked for"),
        pytest.param(
            None, "Production", ["Production, and there was none: trained from the"], id="none yet"
        ),
        pytest.param(
            Origin("toy-1", "/x", "sha256:1"), "LatestBlessed", ["weights and the voc"], id="one"
        ),
    ],
)
def test_how_a_training_starts_is_noted(
    tmp_path: Path, origin: Origin | None, asked: str, words: list[str]
) -> None:
    started = replace(job(tmp_path, {"training": {"warmStartFrom": asked}}), parent=origin)
    found = warm_start.notes(started)
    assert len(found) == len(words)
    assert all(word in note for word, note in zip(words, found, strict=True))


def test_its_own_checkpoint_wins_over_the_parent(tmp_path: Path) -> None:
    store = Store(tmp_path, "id")
    store.save({"weight": np.zeros(1)}, Position(step=3))
    gone = replace(job(tmp_path), parent=Origin("toy-1", str(tmp_path / "gone"), "sha256:1"))
    assert warm_start.weights(gone, store, 320) is None


def test_what_was_done_from_another_parent_is_not_done(tmp_path: Path) -> None:
    started = job(tmp_path)
    origin = parent(tmp_path / "out/model", run=started.run, recipe_digest=started.digest)
    artifact_of = {"uri": "model", "digest": origin.digest, "sizeBytes": 1}
    report.write(TrainResult(artifact_of, {}), tmp_path / "out" / names.TRAIN_RESULT)
    assert pipeline.finished(started) == TrainResult(artifact_of, {})
    assert pipeline.finished(replace(started, parent=origin)) is None


@pytest.mark.slow
def test_it_is_as_good_as_its_parent_at_once(tmp_path: Path) -> None:
    from mt_trainer import model, weights
    from mt_trainer.learner import Learner
    from mt_trainer.train import Plan, fit

    encoded, vocabulary = builders.text(tmp_path)
    size = tokenizer.load(vocabulary).vocab_size()
    training = builders.decoded({"training": {"budget": {"maxEpochs": 4}}}).training
    stop = threading.Event()

    def plan() -> Plan:
        return Plan(training, encoded, encoded, 1e9, stop, lambda *_: None)

    first = Learner(training, size)
    end = fit(first, plan(), Store(tmp_path / "first", "1"))
    sizes = model.Sizes.of(training.architecture, size)
    network = model.build(sizes, 0)
    weights.assign(network, first.mean_weights()["mean"])
    weights.write(network, tmp_path / "weights", {})

    second = Learner(training, size, weights.read(tmp_path / "weights", sizes))
    batches = [encoded.batch(np.arange(encoded.pairs))]
    assert second.validate(batches) == pytest.approx(first.validate(batches), rel=1e-6)
    again = fit(second, plan(), Store(tmp_path / "second", "2"))
    fresh = Learner(training, size)
    assert again.best is not None
    assert end.best is not None
    assert again.best < end.best < fresh.validate(batches)


@pytest.mark.slow
def test_a_whole_training_starts_from_another(tmp_path: Path) -> None:
    recipe = str(builders.recipe_file(tmp_path, {"training": {"budget": {"maxEpochs": 3}}}))
    parent, child = tmp_path / "parent", tmp_path / "child"
    program.run("train", recipe, "--out", str(parent))
    program.run("train", recipe, "--out", str(child), "--start-from", str(parent / "model"))
    before, after = (json.loads((out / "train-result.json").read_text()) for out in (parent, child))
    loss, less = (float(result["metrics"]["validationLoss"]) for result in (before, after))
    assert less < loss
    manifest = artifact.verify(child / "model")
    assert (manifest.parent_run, manifest.parent_digest) == ("recipe", before["artifact"]["digest"])
    assert "started from the weights" in after["dataset"]["anomalies"][0]
    vocabularies = [(out / "model/vocabulary.model").read_bytes() for out in (parent, child)]
    assert vocabularies[0] == vocabularies[1]
