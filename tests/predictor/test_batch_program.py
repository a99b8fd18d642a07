"""The real program with a real artifact: killed by both signals, and the same bytes in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.predictor.builders import sentences
from tests.predictor.running import environment, program

from mt_contract import report
from mt_contract.report import Failure
from mt_predictor import __main__ as command
from mt_predictor.translator import Options, Translator

ENGINE = json.dumps({"engine": "CTranslate2", "precision": "Float32", "beamSize": 2})
GREEDY = json.dumps({"engine": "CTranslate2", "precision": "Float32", "beamSize": 1})
PATIENCE = 300  # seconds


def arguments(artifact: Path, source: Path, out: Path) -> list[str]:
    return ["batch", "--model", str(artifact), "--out", str(out), str(source)]


def test_it_translates_as_serving_does(
    artifact_folder: Path,
    translator: Translator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = [*sentences(60), "", "x" * (1 << 19)]
    (tmp_path / "in.txt").write_text("".join(f"{text}\n" for text in texts))
    monkeypatch.setenv("MT_ENGINE", ENGINE)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        code = command.main(arguments(artifact_folder, tmp_path / "in.txt", tmp_path / "out.txt"))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert code == 0
    expected = [one.text for one in translator.translate(texts[:61], Options(2))]
    found = (tmp_path / "out.txt").read_text().split("\n")
    assert found == [*(" ".join(text.splitlines()) for text in expected), "", ""]
    summary = json.loads(capsys.readouterr().out)
    assert (summary["lines"], summary["empty"], summary["failed"]) == (62, 1, 1)
    assert summary["failures"][0]["why"].startswith("a text of 524,288 bytes has more than")
    assert summary["model"].startswith("sha256:")
    assert summary["seconds"] > 0


@pytest.mark.parametrize(
    ("words", "env", "code", "message"),
    [
        pytest.param([], {"MT_ARTIFACT_DIGEST": "sha256:0"}, 2, "was evaluated", id="digest"),
        pytest.param(["--beam-size", "99"], {}, 2, "beamSize is 99", id="beam"),
        pytest.param(["--model", "/nowhere"], {}, 2, "is no artifact", id="no artifact"),
        pytest.param(["--model", "s3://b/m"], {}, 2, "--model: 's3://b/m'", id="model elsewhere"),
        pytest.param(["/nowhere"], {}, 3, "(here: INPUT, --format and --field)", id="no input"),
    ],
)
def test_what_is_wrong_is_said_in_the_termination_log(
    artifact_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    env: dict[str, str],
    code: int,
    message: str,
) -> None:
    (tmp_path / "in").write_text("a\n")
    (tmp_path / "log").touch()
    for name, value in ({"MT_TERMINATION_LOG": str(tmp_path / "log")} | env).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    given = [*arguments(artifact_folder, tmp_path / "in", tmp_path / "out"), *words]
    assert command.main(given) == code
    failure = report.decode((tmp_path / "log").read_text())
    assert isinstance(failure, Failure)
    assert message in failure.message


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["batch", "--help"])
    assert "mt-predictor batch --model" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="SIGKILL"),
        pytest.param(signal.SIGTERM, 128 + signal.SIGTERM, id="SIGTERM"),
    ],
)
def test_a_killed_program_goes_on(
    artifact_folder: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(f"{text}\n" for text in sentences(8_000, longest=60)))
    unbroken = arguments(artifact_folder, source, tmp_path / "whole")
    whole = program(tmp_path, *unbroken, MT_ENGINE=GREEDY)
    assert whole.returncode == 0, whole.stderr
    words = arguments(artifact_folder, source, tmp_path / "out")
    assert killed(tmp_path, words, number) == code
    assert 0 < len(list((tmp_path / "out.parts").glob("*.part"))) < 5
    assert not (tmp_path / "out").exists()
    last = program(tmp_path, *words, MT_ENGINE=GREEDY)
    assert last.returncode == 0, last.stderr
    assert "going on after line" in last.stderr
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()
    assert json.loads(last.stdout)["lines"] == 8_000


def killed(folder: Path, words: list[str], number: signal.Signals) -> int:
    """Begin, send a signal once the first part is whole, and return the exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mt_predictor", *words],
        env=environment(folder, MT_ENGINE=GREEDY) | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + PATIENCE
        while not (folder / "out.parts/00000000.json").exists():
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(process.pid, number)
        return process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
