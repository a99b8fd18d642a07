"""Trainings as real processes: started, killed, and what they left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.trainer import builders

from mt_contract import names, report
from mt_contract.report import TrainResult

# Long enough to be caught in mid-epoch, short enough to be waited for.
RECIPE = {
    "training": {
        "architecture": {"modelDimension": 64, "feedForwardDimension": 128, "layers": 2},
        "budget": {"maxEpochs": 6},
    }
}
PATIENCE = 300  # seconds; a bound on waiting, not a measure of speed


def corpus(folder: Path) -> Path:
    """Write text to train on and to be tested by; return the folder."""
    rows = builders.pairs(1400)
    builders.write(folder / "train.tsv", rows[:1200])
    builders.write(folder / "test.tsv", rows[1200:])
    return folder


def start(
    place: Path, out: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a training of the text in ``place`` that saves every half second."""
    ours = builders.environment(place / out.name, RECIPE) | {
        "MT_OUTPUT": str(out),
        "MT_TEST": json.dumps([{"uri": str(place / "test.tsv")}]),
        "MT_CHECKPOINT_SECONDS": "0.5",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "mt_trainer", "train"]
    with log(place, out).open("ab") as stream:
        return subprocess.Popen(
            command,
            env=os.environ | ours | dict(environment or {}),
            stdout=stream,
            stderr=stream,
        )


def log(place: Path, out: Path) -> Path:
    """Return where the training of ``out`` says what it does."""
    return place / f"{out.name}.log"


def result(out: Path) -> TrainResult:
    """Return what the training reports."""
    found = report.decode((out / names.TRAIN_RESULT).read_text())
    assert isinstance(found, TrainResult)
    return found


def curve(out: Path) -> list[dict[str, Any]]:
    """Return the epochs' ends: what does not depend on when lines were written."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    ends = {line["epoch"]: line for line in lines if "validationLoss" in line}
    return [{key: line[key] for key in ("loss", "validationLoss")} for line in ends.values()]


def kill_in_mid_epoch(process: subprocess.Popen[bytes], out: Path, number: int) -> int:
    """Send a signal once a checkpoint within an epoch stands there; return the exit code."""
    send_in_mid_epoch(process, out, number)
    return process.wait(PATIENCE)


def send_in_mid_epoch(
    process: subprocess.Popen[bytes], out: Path, number: int, patience: float = PATIENCE
) -> None:
    """Send a signal once a checkpoint within an epoch stands there."""
    until = time.monotonic() + patience
    while time.monotonic() < until and process.poll() is None:
        if any(batch(path) for path in sorted((out / "checkpoints").glob("step-*"))[-1:]):
            process.send_signal(number)
            return
        time.sleep(0.02)
    raise AssertionError("the training ended, or never began, before it could be killed")


def batch(path: Path) -> int:
    """Return how many batches of its epoch a checkpoint has behind it; 0 if it just went away."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return 0
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return int(json.loads(header["position"])["batch"])
