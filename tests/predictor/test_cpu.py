"""Threads follow the container's CPU limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from mt_predictor.cpu import Threads, available_threads, cpu_limit, threads


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        pytest.param({"cpu.max": "150000 100000\n"}, 1.5, id="v2"),
        pytest.param({"cpu.max": "max 100000\n"}, None, id="v2 without a limit"),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2.0, id="v1"
        ),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None, id="v1: -1"
        ),
        pytest.param({}, None, id="no cgroups"),
        pytest.param({"cpu.max": "nonsense"}, None, id="unreadable"),
    ],
)
def test_the_limit_is_read(files: dict[str, str], limit: float | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpu_limit(tmp_path) == limit


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        pytest.param(0.25, Threads(1, 1), id="a quarter"),
        pytest.param(1.9, Threads(1, 1), id="not quite two"),
        pytest.param(2, Threads(2, 1), id="two: workers first"),
        pytest.param(4, Threads(4, 1), id="four"),
        pytest.param(16, Threads(4, 4), id="sixteen: batches get more each"),
    ],
)
def test_how_they_are_used(cpus: float, expected: Threads) -> None:
    assert threads(cpus) == expected


def test_a_limit_below_the_host_counts(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000")
    assert available_threads(tmp_path) == Threads(1, 1)
