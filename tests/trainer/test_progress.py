from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.trainer import builders

from mt_contract.resource import Budget
from mt_trainer.checkpoint import Position
from mt_trainer.progress import Board, Snapshot, format_metric
from mt_trainer.tracker import Tracker


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board(0)
    yield board
    board.close()


def get(board: Board, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{board.port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def test_progress_is_what_a_runs_status_shows(board: Board) -> None:
    board.snapshot = Snapshot(
        step=4200,
        total_steps=10000,
        epoch=3,
        fraction=0.42,
        remaining_seconds=310,
        metrics={"loss": 2.31, "validationLoss": 2.44, "tokensPerSecond": 41200.4},
    )
    found = json.loads(get(board, "/progress"))
    assert found.pop("lastUpdatedTime").endswith("Z")
    assert found == {
        "step": 4200,
        "totalSteps": 10000,
        "epoch": 3,
        "progressPercentage": 42,
        "estimatedRemainingSeconds": 310,
        "metrics": [
            {"name": "loss", "value": "2.3100"},
            {"name": "validationLoss", "value": "2.4400"},
            {"name": "tokensPerSecond", "value": "41200"},
        ],
    }


def test_before_the_first_step_there_is_a_beginning(board: Board) -> None:
    found = json.loads(get(board, "/progress"))
    assert (found["step"], found["progressPercentage"]) == (0, 0)
    assert "estimatedRemainingSeconds" not in found


def test_prometheus_reads_the_same(board: Board) -> None:
    board.snapshot = Snapshot(step=7, metrics={"validationLoss": 1.5})
    lines = get(board, "/metrics").splitlines()
    assert "translation_training_step 7" in lines
    assert "translation_training_validation_loss 1.5" in lines


def test_another_path_is_not_found(board: Board) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(board, "/etc/passwd")


def test_a_taken_port_does_not_stop_a_training(board: Board) -> None:
    second = Board(board.port)
    assert second.port is None
    second.close()


TRAINING = replace(
    builders.decoded().training,
    budget=Budget(max_epochs=4, max_steps=1000, max_duration=timedelta(seconds=100)),
)
# metricscollector/v1beta1/common/const.go of Katib: DefaultFilter
KATIB_FILTER = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"


def test_a_training_is_followed_in_lines_that_katib_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = Board(None)
    with Tracker(board, tmp_path, TRAINING) as tracker:
        tracker.expect(10)
        position = Position(step=10, batch=10, loss_sum=46.0, tokens=20, seconds=5.0)
        tracker(position, False)
        tracker(replace(position, epoch=1, batch=0, last=2.5), True)
    found = {m[0]: m[1] for m in re.findall(KATIB_FILTER, capsys.readouterr().out)}
    assert found == {
        "epoch": "1",
        "step": "10",
        "loss": "2.3000",
        "validationLoss": "2.5000",
        "tokensPerSecond": "0.0000",
        "learningRate": "0.005",
    }
    assert (board.snapshot.total_steps, board.snapshot.fraction) == (40, 0.25)
    assert board.snapshot.remaining_seconds == 15


def test_time_counts_where_it_will_end_the_training(tmp_path: Path) -> None:
    board = Board(None)
    with Tracker(board, tmp_path, TRAINING) as tracker:
        tracker.expect(250)
        tracker(Position(step=10, batch=10, loss_sum=1, tokens=1, seconds=50.0), False)
    assert board.snapshot.fraction == 0.5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(41200.4, "41200", id="a speed"),
        pytest.param(2.31, "2.3100", id="a loss"),
        pytest.param(0.0123456, "0.0123", id="a loss near its end"),
        pytest.param(0.00031, "0.00031", id="a learning rate"),
        pytest.param(0.000003, "3e-06", id="a small learning rate"),
        pytest.param(0.0, "0.0000", id="nothing"),
    ],
)
def test_a_metric_is_told_in_few_digits(value: float, text: str) -> None:
    assert format_metric(value) == text
    assert re.fullmatch(KATIB_FILTER, f"name={text}")
