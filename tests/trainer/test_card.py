"""The model card: what it says, and that what it tells people to run runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.trainer import builders

from mt_trainer import card, config
from mt_trainer.card import Subject
from mt_trainer.checkpoint import Position
from mt_trainer.tracking.line import Line

NOW = datetime(2026, 5, 4, tzinfo=UTC)
DOCUMENT: Mapping[str, Any] = {
    "digest": "sha256:d",
    "pairs": 65952,
    "rejectedPairs": 12,
    "validationPairs": 500,
    "validationHeldOut": True,
    "vocabularySize": 8000,
    "testSources": 300,
    "files": [
        {"uri": "pvc://c/a|b.tsv", "rows": 65000, "rejected": {"copy": 12, "empty": 0}},
        {"uri": "hf://datasets/owner/name/train.parquet", "rows": 964, "rejected": {}},
    ],
    "anomalies": ["12 rows rejected as copy (first: a.tsv:7)"],
}
POSITION = Position(epoch=3, step=4200, seconds=5460, best=2.25, best_epoch=2)


def subject(folder: Path, **changes: Any) -> Subject:
    job = config.from_environment(builders.environment(folder / "out"))
    artifact = {"uri": "pvc://m/x/model", "digest": "sha256:a", "sizeBytes": 9_123_456}
    made = Subject(job, DOCUMENT, POSITION, artifact, {"keras": "3.15", "python": "3.11"})
    return replace(made, **changes)


def end(epoch: int, loss: float) -> Line:
    return Line(epoch, 10 * epoch, NOW, {"loss": loss, "validationLoss": loss + 0.1})


def test_the_front_matter_is_what_the_hub_reads(tmp_path: Path) -> None:
    _, front, body = card.text(subject(tmp_path)).split("---\n", 2)
    assert yaml.safe_load(front) == {
        "language": ["en", "eo"],
        "pipeline_tag": "translation",
        "library_name": "ctranslate2",
        "tags": ["translation", "transformer", "en-eo"],
        "datasets": ["owner/name"],
        "metrics": ["chrf", "sacrebleu", "ter"],
    }
    assert body.startswith("\n# Translation from en to eo\n")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("| `pvc://c/a\\|b.tsv` | 65,000 | 12 copy |", id="a file and its rejections"),
        pytest.param("| `training.optimizer.learningRate` | `0.01` |", id="a hyperparameter"),
        pytest.param("4,200 steps in 3 epochs and 1.5 h", id="how long"),
        pytest.param("epoch 2, 2.2500 nats per token", id="what was published"),
        pytest.param("65,952 pairs after cleaning (12 rows rejected)", id="the data"),
        pytest.param("- 12 rows rejected as copy", id="what was noticed"),
        pytest.param("| artifact | `sha256:a` |", id="the artifact's digest"),
        pytest.param("| data | `sha256:d` |", id="the data's digest"),
        pytest.param("| began from | random weights |", id="no parent"),
        pytest.param("keras 3.15, python 3.11", id="versions"),
        pytest.param("`evaluation/report.html`", id="where the scores are"),
    ],
)
def test_it_tells(tmp_path: Path, words: str) -> None:
    assert words in card.body(subject(tmp_path))


def test_lineage_and_tracker_are_named_where_there_are_any(tmp_path: Path) -> None:
    plain = subject(tmp_path)
    origin = config.Origin("pt-en-0", "pvc://m/0/model", "sha256:0")
    told = card.body(replace(plain, job=replace(plain.job, parent=origin), tracked="http://m/#/1"))
    assert "| began from | `pt-en-0`, `sha256:0` |" in told
    assert "| tracked | http://m/#/1 |" in told


def test_a_long_training_has_a_short_curve(tmp_path: Path) -> None:
    history = [end(epoch, 5 / epoch) for epoch in range(1, 101)]
    between = Line(3, 35, NOW, {"loss": 1.0})
    told = card.body(subject(tmp_path, history=[*history, between]))
    rows = re.findall(r"^\| (\d+) \| [\d,]+ \| [\d.]+ \| [\d.]+ \|$", told, re.MULTILINE)
    assert (len(rows), rows[0], rows[-1]) == (12, "1", "100")
    assert "Validation loss █▃▂" in told


@given(st.lists(st.floats(-9, 9), max_size=99))
def test_a_sparkline_is_high_where_values_are(values: list[float]) -> None:
    line = card.sparkline(values)
    assert len(line) == min(len(values), 40)
    if values and min(values) < max(values) and len(values) <= 40:
        assert line[values.index(max(values))] == "█"
        assert line[values.index(min(values))] == "▁"


@pytest.mark.slow
def test_what_a_card_says_to_run_runs(tmp_path: Path) -> None:
    recipe = builders.recipe_file(tmp_path, {"training": {"budget": {"maxEpochs": 12}}})
    out = tmp_path / "out"
    run([sys.executable, "-m", "mt_trainer", "train", str(recipe), "--out", str(out)], tmp_path)
    told = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    blocks = re.findall(
        r"```python\n(.*?)```", told.replace("A sentence in en.", "one two three"), re.S
    )
    said = [run([sys.executable, "-c", block], out).strip().splitlines()[-1] for block in blocks]
    by_ctranslate2, by_tensorflow, weights = said
    assert by_ctranslate2 == by_tensorflow
    assert set(by_ctranslate2.split()) & set(builders.WORDS.values())
    assert re.fullmatch(r"\d{4,} weights", weights)


def run(command: list[str], folder: Path) -> str:
    """Run a program in a folder; return what it prints."""
    here = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    environment = os.environ | {"PYTHONPATH": here, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
