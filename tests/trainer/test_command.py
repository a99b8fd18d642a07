"""The program as the operator and a person call it: exit codes, messages, a whole training."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.trainer import builders

from mt_contract import artifact, names, report
from mt_contract.report import Failure, TrainResult
from mt_trainer.__main__ import main
from mt_trainer.signals import Stopper


@pytest.fixture(autouse=True)
def _signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the test run's own signals and log alone."""
    monkeypatch.setattr(Stopper, "install", lambda self: None)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def call(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], log: Path) -> int:
    for name in list(os.environ):
        if name.startswith("MT_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    log.write_text("")
    return main(["train", "--termination-log", str(log)])


@pytest.mark.parametrize(
    ("signal", "code", "said"),
    [
        pytest.param(0, 1, "InternalError", id="a fault of ours is told"),
        pytest.param(143, 143, "", id="after a signal it is what a library made of the exit"),
    ],
)
def test_an_error_that_nobody_foresaw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal: int, code: int, said: str
) -> None:
    def fail(options: object, stopper: Stopper) -> None:
        stopper.code = signal
        raise AssertionError("in the middle of a library")

    monkeypatch.setattr("mt_trainer.commands.train.run", fail)
    log = tmp_path / "log"
    assert call(monkeypatch, {}, log) == code
    assert said in log.read_text()
    assert bool(said) == bool(log.read_text())


def corpus(content: bytes | None) -> Any:
    return lambda out: None if content is None else (out.parent / "train.tsv").write_bytes(content)


def read_only(out: Path) -> None:
    builders.write(out.parent / "train.tsv", builders.pairs(50))
    out.write_text("a file where the folder should be")


@pytest.mark.parametrize(
    ("arrange", "over", "code", "reason", "words"),
    [
        pytest.param(corpus(None), {}, 3, "DataInvalid", "does not exist", id="missing corpus"),
        pytest.param(corpus(b""), {}, 3, "DataInvalid", "is empty", id="empty corpus"),
        pytest.param(corpus(b"\0\1" * 999), {}, 3, "DataInvalid", "binary", id="binary corpus"),
        pytest.param(
            corpus(gzip.compress(b"a\tb\n" * 9999)[:40]),
            {},
            3,
            "DataInvalid",
            "ends in the middle",
            id="half a gzip",
        ),
        pytest.param(
            corpus(b"one\tunu\n" * 5), {}, 3, "DataInvalid", "duplicates", id="a failed check"
        ),
        pytest.param(
            corpus(None),
            {"data": {"format": "XLIFF"}},
            2,
            "ConfigurationInvalid",
            "TSV, JSONL, Parquet",
            id="a format that nobody reads",
        ),
        pytest.param(
            lambda out: builders.write(out.parent / "train.tsv", builders.pairs(50)),
            {"training": {"vocabulary": {"size": 100}}},
            2,
            "ConfigurationInvalid",
            "vocabulary.size is 100",
            id="a vocabulary too small for the letters",
        ),
        pytest.param(
            read_only, {}, 5, "StorageUnavailable", "cannot be written", id="no place to write"
        ),
    ],
)
def test_a_failure_ends_with_its_code_and_message(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arrange: Any,
    over: dict[str, Any],
    code: int,
    reason: str,
    words: str,
) -> None:
    out = tmp_path / "out"
    arrange(out)
    assert call(monkeypatch, builders.environment(out, over), tmp_path / "log") == code
    message = report.decode((tmp_path / "log").read_text())
    assert isinstance(message, Failure)
    assert message.reason == reason
    assert words in message.message
    assert not (out / names.MODEL_FOLDER).exists()


def test_a_fault_of_ours_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mt_trainer import pipeline

    def fail(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(pipeline, "run", fail)
    assert call(monkeypatch, builders.environment(tmp_path / "out"), tmp_path / "log") == 1
    message = report.decode((tmp_path / "log").read_text())
    assert message == Failure(
        "InternalError", "ZeroDivisionError: by zero (the log has the details)"
    )


def test_a_whole_training_and_its_repetition(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    rows = builders.pairs(360)
    builders.write(tmp_path / "train.tsv", [*rows[:300], ("", "broken"), ("same", "same")])
    builders.write(tmp_path / "test.tsv", rows[300:])
    environment = builders.environment(out) | {"MT_TEST": f'[{{"uri": "{tmp_path}/test.tsv"}}]'}
    assert call(monkeypatch, environment, log) == 0
    told = report.decode(log.read_text())
    assert isinstance(told, TrainResult)
    assert told == report.decode((out / names.TRAIN_RESULT).read_text())
    manifest = artifact.verify(out / names.MODEL_FOLDER, told.artifact["digest"])
    assert told.artifact["uri"] == f"{out}/model"
    assert told.artifact["sizeBytes"] == manifest.size_bytes
    assert (told.dataset["pairs"], told.dataset["rejectedPairs"]) == (270, 2)
    assert manifest.dataset_digest == told.dataset["digest"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch=")]
    assert len(lines) == 2
    assert f"validationLoss={told.metrics['validationLoss']}" in "\n".join(lines)
    described = json.loads((out / "dataset.json").read_text())
    assert described["files"][0]["rejected"] == {"empty": 1, "copy": 1}
    assert "# Translation from en to eo" in (out / "MODEL_CARD.md").read_text()

    before = log.read_text()
    (tmp_path / "train.tsv").unlink()  # what is finished needs nothing any more
    assert call(monkeypatch, environment, log) == 0
    assert log.read_text() == before


def test_help_and_bad_recipes_do_not_wait_for_tensorflow(tmp_path: Path) -> None:
    script = (
        "import sys; from mt_trainer.__main__ import main\n"
        "code = main(['train', sys.argv[1], '--out', sys.argv[2]])\n"
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    path = builders.recipe_file(tmp_path, {"data": {"checks": {"minPairs": 10_000}}})
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(tmp_path / "out")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "DataInvalid: 300 usable pairs" in done.stderr


def test_a_recipe_without_a_folder_is_a_mistake(caplog: pytest.LogCaptureFixture) -> None:
    assert main(["train", "recipe.yaml"]) == 2
    assert "belong together" in caplog.text
