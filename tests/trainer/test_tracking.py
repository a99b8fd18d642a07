"""The records of a training: files that others read, and what a resumed attempt leaves of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trainer import builders

from mt_contract.resource import Budget
from mt_trainer.checkpoint import Position
from mt_trainer.progress import Board
from mt_trainer.tracker import Tracker
from mt_trainer.tracking import event_file, metrics_file, system
from mt_trainer.tracking.line import Line

NOW = datetime(2026, 5, 4, 10, 0, 0, tzinfo=UTC)
TRAINING = replace(
    builders.decoded().training,
    budget=Budget(max_epochs=9, max_steps=1000, max_duration=timedelta(hours=1)),
)


def epoch_end(step: int) -> Position:
    """Return the position at the end of an epoch of ten steps."""
    epoch = step // 10
    return Position(
        epoch=epoch,
        step=step,
        loss_sum=40.0 - epoch,
        tokens=10,
        last=3.0 - epoch / 10,
        gradient_norm=0.5 + epoch,
        seconds=step,
    )


def attempt(folder: Path, *steps: int) -> None:
    """Follow an attempt that ends epochs at these steps."""
    with Tracker(Board(None), folder, TRAINING, measure=lambda: {"system/load": 1.0}) as tracker:
        tracker.expect(10)
        for step in steps:
            tracker(epoch_end(step), True)


def events(folder: Path) -> list[Any]:
    """Return the events of all files, as TensorFlow's own reader finds them."""
    from tensorflow.core.util.event_pb2 import Event
    from tensorflow.python.lib.io.tf_record import tf_record_iterator

    paths = sorted(map(str, folder.glob("*tfevents*")))
    return [Event.FromString(data) for path in paths for data in tf_record_iterator(path)]


def series(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) pairs by tag."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, round(value.simple_value, 5)))
    return found


def test_both_files_hold_the_same_series(tmp_path: Path) -> None:
    attempt(tmp_path, 10, 20, 30)
    lines = metrics_file.until(tmp_path / "metrics.jsonl", 1000)
    assert lines[0].metrics == {
        "loss": 3.9,
        "validationLoss": 2.9,
        "tokensPerSecond": 0.0,
        "learningRate": pytest.approx(0.005),
        "gradientNorm": 1.5,
        "system/load": 1.0,
    }
    names = lines[0].metrics.keys()
    assert series(tmp_path / "tensorboard") == {
        name: [(line.step, round(line.metrics[name], 5)) for line in lines] for name in names
    }


@pytest.mark.parametrize("norm", [None, math.nan, math.inf])
def test_a_norm_that_is_no_number_is_not_told(tmp_path: Path, norm: float | None) -> None:
    with Tracker(Board(None), tmp_path, TRAINING, measure=dict) as tracker:
        tracker.expect(10)
        tracker(replace(epoch_end(10), gradient_norm=norm), True)
    assert "gradientNorm" not in json.loads((tmp_path / "metrics.jsonl").read_text())


def test_tensorboard_sees_a_beginning_and_times(tmp_path: Path) -> None:
    attempt(tmp_path, 10)
    version, start, scalars = events(tmp_path / "tensorboard")
    assert version.file_version == "brain.Event:2"
    assert start.session_log.status == start.session_log.START
    written = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert datetime.fromtimestamp(int(scalars.wall_time), UTC) == datetime.fromisoformat(
        written["time"]
    )


def test_an_attempt_that_goes_on_leaves_no_step_twice(tmp_path: Path) -> None:
    attempt(tmp_path, 10, 20, 30, 40)
    attempt(tmp_path, 30, 40, 50)  # from the checkpoint of step 20
    steps = [line.step for line in metrics_file.until(tmp_path / "metrics.jsonl", 1000)]
    assert steps == [10, 20, 30, 40, 50]
    assert [step for step, _ in series(tmp_path / "tensorboard")["loss"]] == steps


def test_of_many_attempts_few_files_are_left(tmp_path: Path) -> None:
    for _ in range(5):
        attempt(tmp_path, 10)
    sizes = [path.stat().st_size for path in sorted((tmp_path / "tensorboard").iterdir())]
    assert len(sizes) == 2
    assert sizes[0] == 0, "kept for a TensorBoard that has it open"


def test_a_rollback_leaves_no_step_twice(tmp_path: Path) -> None:
    attempt(tmp_path, 10, 20, 30, 20, 30)
    assert [step for step, _ in series(tmp_path / "tensorboard")["loss"]] == [10, 20, 30]


def test_another_training_in_the_same_folder_begins_anew(tmp_path: Path) -> None:
    attempt(tmp_path, 10, 20)
    attempt(tmp_path, 10)
    assert len(metrics_file.until(tmp_path / "metrics.jsonl", 1000)) == 1
    assert len(series(tmp_path / "tensorboard")["loss"]) == 1


def test_history_is_all_of_it_also_beyond_what_was_expected(tmp_path: Path) -> None:
    with Tracker(Board(None), tmp_path, TRAINING) as tracker:
        tracker.expect(1)
        for step in (10, 20, 30):
            tracker(epoch_end(step), True)
    assert [line.step for line in tracker.history()] == [10, 20, 30]


def test_between_epochs_no_validation_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("mt_trainer.tracker._LINE_SECONDS", 0.0)
    with Tracker(Board(None), tmp_path, TRAINING) as tracker:
        tracker(epoch_end(10), True)
        tracker(replace(epoch_end(10), step=11), False)
    first, second = metrics_file.until(tmp_path / "metrics.jsonl", 1000)
    assert "validationLoss" in first.metrics
    assert "validationLoss" not in second.metrics


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param('{"step": 5}\n{"step": 9}\n', [5, 9], id="up to the checkpoint"),
        pytest.param('{"step": 5}\n{"step": 12}\n', [5], id="beyond the checkpoint"),
        pytest.param('{"step": 5}\n{"st', [5], id="cut off within a line"),
    ],
)
def test_lines_up_to_the_checkpoint_are_kept(tmp_path: Path, written: str, kept: list[int]) -> None:
    more = '"epoch": 1, "time": "2026-05-04T10:00:00Z", "step"'
    (tmp_path / "metrics.jsonl").write_text(written.replace('"step"', more))
    found = metrics_file.until(tmp_path / "metrics.jsonl", 9)
    assert [line.step for line in found] == kept


def test_there_may_be_no_file(tmp_path: Path) -> None:
    assert metrics_file.until(tmp_path / "metrics.jsonl", 9) == []


@given(
    st.dictionaries(st.text(min_size=1, max_size=9), st.floats(width=32, allow_nan=False)),
    st.integers(0, 2**40),
)
def test_any_line_is_an_event_that_tensorflow_reads(metrics: dict[str, float], step: int) -> None:
    from tensorflow.core.util.event_pb2 import Event

    told = Line(1, step, NOW, metrics)
    event = Event.FromString(event_file.scalars(told))
    assert (event.step, event.wall_time) == (step, NOW.timestamp())
    assert {v.tag: v.simple_value for v in event.summary.value} == metrics


GPUS = "0, 37, 12000, 143771\n1, [N/A], 5, [N/A]\n"


def test_gpus_tell_what_they_can() -> None:
    assert system.gpus(GPUS) == {
        "system/gpu_0_utilization_percentage": 37.0,
        "system/gpu_0_memory_usage_megabytes": 12000.0,
        "system/gpu_0_memory_usage_percentage": pytest.approx(8.3466, abs=1e-4),
        "system/gpu_1_memory_usage_megabytes": 5.0,
    }


def test_a_machine_without_gpus_tells_load_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mt_trainer.tracking.system.shutil.which", lambda _: None)
    found = system.Meter().read()
    assert found.keys() == {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
    }
    assert 1 < found["system/system_memory_usage_megabytes"] < 1e6
    assert 0 < found["system/system_memory_usage_percentage"] < 100


@pytest.mark.parametrize(
    ("name", "content", "limit"),
    [
        pytest.param("memory.max", "1048576\n", 2**20, id="cgroup v2"),
        pytest.param("memory.max", "max\n", 2**30, id="cgroup v2 without a limit"),
        pytest.param("memory/memory.limit_in_bytes", "1048576\n", 2**20, id="cgroup v1"),
        pytest.param("memory/memory.limit_in_bytes", f"{2**63}\n", 2**30, id="cgroup v1, none"),
        pytest.param("other", "", 2**30, id="no cgroup"),
    ],
)
def test_memory_is_a_share_of_what_may_be_used(
    tmp_path: Path, name: str, content: str, limit: int
) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / name).write_text(content)
    (tmp_path / "meminfo").write_text(f"MemTotal:       {2**20} kB\nMemFree: 1 kB\n")
    assert system.memory_limit(tmp_path, tmp_path) == limit
