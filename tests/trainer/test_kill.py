"""A real process, really killed, resumes and ends where an unbroken run with its seed ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
from tests.trainer.killing import (
    PATIENCE,
    corpus,
    curve,
    kill_in_mid_epoch,
    log,
    result,
    start,
)

from mt_contract import artifact, names
from mt_contract.report import TrainResult
from mt_trainer import tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("kill"))


@pytest.fixture(scope="module")
def unbroken(place: Path) -> tuple[TrainResult, list[dict[str, Any]]]:
    out = place / "unbroken"
    assert start(place, out).wait(PATIENCE) == 0
    return result(out), curve(out)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="SIGKILL"),
        pytest.param(signal.SIGTERM, 128 + signal.SIGTERM, id="SIGTERM"),
    ],
)
def test_a_killed_training_ends_where_the_unbroken_one_does(
    place: Path,
    unbroken: tuple[TrainResult, list[dict[str, Any]]],
    number: signal.Signals,
    code: int,
) -> None:
    out = place / number.name
    assert kill_in_mid_epoch(start(place, out), out, number) == code
    assert not (out / names.MODEL_FOLDER).exists()
    assert not (out / names.TRAIN_RESULT).exists()
    assert start(place, out).wait(PATIENCE) == 0
    assert "going on from the checkpoint" in log(place, out).read_text()
    whole, ends = unbroken
    artifact.verify(out / names.MODEL_FOLDER, result(out).artifact["digest"])
    assert float(result(out).metrics["validationLoss"]) == pytest.approx(
        float(whole.metrics["validationLoss"]), rel=0.01
    )
    again = curve(out)
    assert len(again) == len(ends)
    for mine, theirs in zip(again, ends, strict=True):
        assert mine == pytest.approx(theirs, rel=0.01)
    assert result(out).dataset == whole.dataset


def test_both_exports_give_the_same_for_every_test_sentence(
    place: Path, unbroken: tuple[TrainResult, list[dict[str, Any]]]
) -> None:
    model = place / "unbroken" / names.MODEL_FOLDER
    sentences = [line.split("\t")[0] for line in (place / "test.tsv").read_text().splitlines()]
    processor = tokenizer.load((model / "vocabulary.model").read_bytes())
    engine = ctranslate2.Translator(str(model / "ctranslate2"), compute_type="float32")
    sources = [[*processor.encode(text, out_type=str), "</s>"] for text in sentences]
    theirs = engine.translate_batch(sources, beam_size=1, max_decoding_length=24)
    assert [processor.decode(answer.hypotheses[0]) for answer in theirs] == plainly(
        model, sentences
    )


def plainly(model: Path, sentences: list[str]) -> list[str]:
    """Translate in a process that knows TensorFlow and tensorflow_text only."""
    script = (
        "import json, sys, tensorflow as tf, tensorflow_text\n"
        "model = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "found = model(text=tf.constant(json.load(sys.stdin)))['text'].numpy()\n"
        "assert 'mt_trainer' not in sys.modules\n"
        "print(json.dumps([text.decode() for text in found]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(model / "saved_model")],
        input=json.dumps(sentences),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))
