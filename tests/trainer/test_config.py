from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.trainer import builders

from mt_contract.errors import ConfigurationError
from mt_contract.names import METRICS_PORT
from mt_contract.recipe import recipe_digest
from mt_trainer import config


def test_a_pods_environment_becomes_a_job(tmp_path: Path) -> None:
    over = {"data": {"train": [{"uri": "pvc://corpora/pt-en/train.tsv.gz"}]}}
    written = builders.resolved(over)
    environment = {
        "MT_RECIPE": json.dumps(written | {"digest": "sha256:0"}),
        "MT_TEST": '[{"uri": "pvc://corpora/test.tsv", "slice": "legal"}]',
        "MT_RUN": "pt-en-b81qz",
        "MT_OUTPUT": "pvc://models/pt-en/pt-en-b81qz-1f0c22ab",
        "MT_PARENT": '{"run": "pt-en-7h2xk", "uri": "pvc://models/x", "digest": "sha256:1"}',
    }
    job = config.from_environment(environment)
    assert job.digest == recipe_digest(written)
    assert job.written == written
    assert job.out == Path("/mnt/pvc/models/pt-en/pt-en-b81qz-1f0c22ab")
    assert job.files.train[0].location == "/mnt/pvc/corpora/pt-en/train.tsv.gz"
    assert job.files.test[0].uri == "pvc://corpora/test.tsv"
    assert (job.run, job.parent and job.parent.run) == ("pt-en-b81qz", "pt-en-7h2xk")
    assert (job.progress_port, job.checkpoint_seconds) == (METRICS_PORT, 120)


def test_a_recipe_file_names_files_beside_itself(tmp_path: Path) -> None:
    path = builders.recipe_file(tmp_path, {"data": {"test": [{"uri": "sub/test.tsv"}]}})
    job = config.from_file(path, Path("runs/one"), {})
    assert job.files.train[0].location == str(tmp_path / "train.tsv")
    assert job.files.test[0].location == str(tmp_path / "sub/test.tsv")
    assert job.recipe.training.optimizer.gradient_clip == 1  # a default
    assert job.progress_port is None


def test_text_is_read_where_it_is_but_relative_paths_beside_the_recipe(tmp_path: Path) -> None:
    data = {
        "format": "Parallel",
        "train": [{"uri": "s3://bucket/train.pt.zst", "targetUri": "https://host/train.en?v=2"}],
        "test": [{"uri": "test.pt", "targetUri": "pvc://corpora/test.en"}],
    }
    files = config.from_file(builders.recipe_file(tmp_path, {"data": data}), tmp_path, {}).files
    assert [(file.location, file.target) for file in (*files.train, *files.test)] == [
        ("s3://bucket/train.pt.zst", "https://host/train.en?v=2"),
        (str(tmp_path / "test.pt"), "/mnt/pvc/corpora/test.en"),
    ]


def test_a_whole_translation_model_is_a_recipe_too(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(json.dumps({"kind": "TranslationModel", "spec": builders.spec()}))
    assert config.from_file(path, tmp_path / "out", {}).recipe.source_language == "en"


@pytest.mark.parametrize(
    ("over", "message"),
    [
        pytest.param({"training": {"preset": "Huge"}}, "'Huge' is not known", id="preset"),
        pytest.param({"data": {"format": "CSV"}}, "data.format is CSV", id="format"),
        pytest.param({"data": {"train": []}}, "data.train is empty", id="no files"),
        pytest.param(
            {"data": {"train": [{"uri": "a.csv.gz"}]}}, "convert it to TSV", id="name of a format"
        ),
        pytest.param(
            {"data": {"train": [{"uri": "ftp://host/a.tsv"}]}}, "pvc://, file://, http", id="scheme"
        ),
        pytest.param(
            {"data": {"train": [{"uri": "pvc://c/../../etc/passwd"}]}}, r"'\.\.'", id="a way out"
        ),
        pytest.param({"data": {"checks": {"maxDivergence": "2"}}}, "from 0 to 1", id="check"),
        pytest.param({"data": {"checks": {"minPairs": "x"}}}, "minPairs", id="no number"),
        pytest.param({"training": {"warmStartFrom": "Newest"}}, "LatestBlessed", id="a warm start"),
        pytest.param({"training": {"nodes": 2}}, "training.nodes", id="two nodes"),
        pytest.param({"training": {"precision": "Int4"}}, "precision is Int4", id="precision"),
        pytest.param(
            {"training": {"vocabulary": {"algorithm": "Word"}}}, "Unigram, BPE", id="algorithm"
        ),
        pytest.param({"training": {"vocabulary": {"shared": False}}}, "shared", id="two of them"),
        pytest.param(
            {"training": {"architecture": {"heads": 3}}}, "twice the heads", id="uneven heads"
        ),
        pytest.param({"training": {"architecture": {"heads": 0}}}, "heads is 0", id="no heads"),
        pytest.param({"training": {"architecture": {"layers": 0}}}, "layers is 0", id="no layers"),
        pytest.param(
            {"training": {"architecture": {"dropout": "1"}}}, "below 1", id="all dropped out"
        ),
        pytest.param(
            {"training": {"optimizer": {"learningRate": "0"}}}, "above 0", id="no learning"
        ),
        pytest.param({"training": {"budget": {"maxSteps": 0}}}, "at least 1", id="no step"),
        pytest.param(
            {"training": {"budget": {"maxDuration": "a day"}}}, "is not a duration", id="duration"
        ),
        pytest.param(
            {"training": {"budget": {"earlyStopping": {"metric": "BLEU", "patience": 2}}}},
            "earlyStopping.metric is BLEU",
            id="a metric that training does not measure",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_field(
    tmp_path: Path, over: dict[str, Any], message: str
) -> None:
    path = builders.recipe_file(tmp_path, over)
    with pytest.raises(ConfigurationError, match=message):
        config.from_file(path, tmp_path / "out", {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"MT_RECIPE": ""}, "MT_RECIPE is not set", id="no recipe"),
        pytest.param({"MT_RECIPE": "{"}, "MT_RECIPE is not JSON", id="half a recipe"),
        pytest.param({"MT_RECIPE": "{}"}, "sourceLanguage", id="an empty recipe"),
        pytest.param({"MT_RUN": ""}, "MT_RUN is not set", id="no run"),
        pytest.param({"MT_OUTPUT": ""}, "MT_OUTPUT is not set", id="no output"),
        pytest.param({"MT_OUTPUT": "s3://a/b"}, "pvc:// and file://", id="another store"),
        pytest.param({"MT_TEST": '{"uri": 1}'}, "MT_TEST is not a list", id="test is no list"),
        pytest.param({"MT_CHECKPOINT_SECONDS": "often"}, "not a duration", id="no time"),
    ],
)
def test_a_wrong_environment_names_the_variable(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    environment = builders.environment(tmp_path / "out") | change
    with pytest.raises(ConfigurationError, match=message):
        config.from_environment(environment)


@pytest.mark.parametrize("content", ["", "- a", "a: [", "data: 3", "\ud800"[:0] + "data: {}"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="recipe"):
        config.from_file(path, tmp_path / "out", {})
