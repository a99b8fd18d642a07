"""The command line: exit codes, and last words in the termination log."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.predictor.builders import sentences

from mt_contract import report
from mt_contract.report import EvaluationResult, Failure, Message, TrainResult
from mt_predictor import __main__ as command
from mt_predictor.translator import Options, Translator


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination-log"
    path.touch()
    monkeypatch.setenv("MT_TERMINATION_LOG", str(path))
    monkeypatch.setenv("MT_RUN", "toy-1")
    monkeypatch.setenv("MT_OUTPUT", str(tmp_path / "run"))
    return path


def said(log: Path) -> Message:
    return report.decode(log.read_text())


def test_a_corrupt_artifact_is_not_served(
    log: Path, artifact_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = Path(shutil.copytree(artifact_folder, tmp_path / "model"))
    weights = copy / "ctranslate2/model.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    code = command.main(["serve", "--model_name", "toy", "--model_dir", str(copy)])
    assert code == 2
    failure = said(log)
    assert isinstance(failure, Failure)
    assert failure.reason == "ArtifactInvalid"
    assert "model.bin differs from its digest" in failure.message
    assert "model.bin differs from its digest" in caplog.text


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        pytest.param("MT_ENGINE", "{}", "MT_ENGINE: engine: is required", id="no engine"),
        pytest.param(
            "MT_ENGINE",
            '{"engine": "CTranslate2", "precision": "Int4", "beamSize": 4}',
            "'Int4': use one of Float32",
            id="precision",
        ),
        pytest.param(
            "MT_ENGINE",
            '{"engine": "CTranslate2", "precision": "Int8", "beamSize": 0}',
            "beamSize is 0",
            id="beam",
        ),
        pytest.param("MT_SERVING", '{"maxQueue": "x"}', "MT_SERVING: ", id="queue"),
        pytest.param("MT_DRAIN_SECONDS", "soon", "MT_DRAIN_SECONDS is 'soon'", id="drain"),
    ],
)
def test_a_wrong_setting_is_named(
    log: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    assert command.main(["serve", "--model_name", "toy", "--model_dir", "/nowhere"]) == 2
    failure = said(log)
    assert isinstance(failure, Failure)
    assert failure.reason == "ConfigurationInvalid"
    assert message in failure.message


def test_missing_test_data_is_bad_data(
    log: Path, monkeypatch: pytest.MonkeyPatch, artifact_folder: Path
) -> None:
    monkeypatch.setenv("MT_ARTIFACT", f'{{"uri": "{artifact_folder}", "digest": "sha256:0"}}')
    test = '{"test": [{"uri": "/nowhere/t.tsv"}], "confidence": "0.95", "seed": 1}'
    monkeypatch.setenv("MT_EVALUATION", test)
    assert command.main(["evaluate"]) == 3
    failure = said(log)
    assert isinstance(failure, Failure)
    assert failure.reason == "DataInvalid"


def test_what_nobody_foresaw_is_told_too(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(command, "_run", broken)
    assert command.main(["evaluate"]) == 1
    assert said(log) == Failure("InternalError", "ZeroDivisionError: oh")


RESULTS = {
    "train": TrainResult({"uri": "x", "digest": "y", "sizeBytes": 1}, {"digest": "z"}),
    "evaluate": EvaluationResult({"chrF": "1"}, (), {}, 1, "r"),
}
FILES = {"train": "train-result.json", "evaluate": "evaluation/result.json"}


@pytest.mark.parametrize("stage", RESULTS)
def test_a_lost_result_is_said_again(log: Path, tmp_path: Path, stage: str) -> None:
    report.write(RESULTS[stage], tmp_path / "run" / FILES[stage])
    assert command.main(["collect", stage]) == 0
    assert said(log) == RESULTS[stage]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "left no result there; start it again", id="missing"),
        pytest.param("{", "not a result message", id="cut off"),
        pytest.param(
            '{"kind":"Failure","reason":"X","message":"y"}', "holds a Failure", id="other"
        ),
    ],
)
def test_no_result_is_a_failure(log: Path, tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "run/evaluation").mkdir(parents=True)
        (tmp_path / "run" / FILES["evaluate"]).write_text(text)
    assert command.main(["collect", "evaluate"]) == 2
    failure = said(log)
    assert isinstance(failure, Failure)
    assert message in failure.message


def test_translating_on_a_laptop(
    artifact_folder: Path,
    translator: Translator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "MT_ENGINE", '{"engine": "CTranslate2", "precision": "Float32", "beamSize": 4}'
    )
    texts = sentences(3)
    arguments = ["translate", "--model", str(artifact_folder), "--beam-size", "2", *texts]
    assert command.main(arguments) == 0
    expected = [one.text for one in translator.translate(texts, Options(2))]
    assert capsys.readouterr().out.splitlines() == expected


@pytest.mark.parametrize("name", ["serve", "evaluate", "probe", "collect", "translate"])
def test_help_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "example" in text
    assert f"mt-predictor {name}" in text


def test_port_numbers_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["serve", "--model_name", "toy", "--http_port", "x"])
    assert "--http_port" in capsys.readouterr().err
