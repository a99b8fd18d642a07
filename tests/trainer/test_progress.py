from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mt_contract.resource import Budget
from mt_trainer.checkpoint import Position
from mt_trainer.progress import Board, Snapshot
from mt_trainer.tracker import Tracker, forget_after


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


BUDGET = Budget(max_epochs=4, max_steps=1000, max_duration=timedelta(seconds=100))


def test_a_training_is_followed_in_lines_and_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "metrics.jsonl"
    board = Board(None)
    with Tracker(board, path, BUDGET) as tracker:
        tracker.expect(10)
        position = Position(step=10, batch=10, loss_sum=46.0, tokens=20, seconds=5.0)
        tracker(position, False)
        tracker(replace(position, epoch=1, batch=0, last=2.5), True)
    assert "epoch=1 step=10 loss=2.3000 validationLoss=2.5000" in capsys.readouterr().out
    assert json.loads(path.read_text())["validationLoss"] == 2.5
    assert (board.snapshot.total_steps, board.snapshot.fraction) == (40, 0.25)
    assert board.snapshot.remaining_seconds == 15


def test_time_counts_where_it_will_end_the_training(tmp_path: Path) -> None:
    board = Board(None)
    with Tracker(board, tmp_path / "m", BUDGET) as tracker:
        tracker.expect(250)
        tracker(Position(step=10, batch=10, loss_sum=1, tokens=1, seconds=50.0), False)
    assert board.snapshot.fraction == 0.5


def test_lines_beyond_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 5}\n{"step": 9}\n{"step": 12}\n{"st')
    forget_after(path, 9)
    assert path.read_text() == '{"step": 5}\n{"step": 9}\n'
