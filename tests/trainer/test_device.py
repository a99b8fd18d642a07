from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from mt_trainer import device


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        pytest.param({"cpu.max": "200000 100000\n"}, 2, id="a limit of two cores"),
        pytest.param({"cpu.max": "150000 100000\n"}, 2, id="one and a half are two"),
        pytest.param({"cpu.max": "10000 100000\n"}, 1, id="a tenth is one"),
        pytest.param({"cpu.max": "max 100000\n"}, 4, id="no limit"),
        pytest.param({"cpu.max": "9900000 100000\n"}, 4, id="more than the machine has"),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3, id="version 1"
        ),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            4,
            id="version 1 without a limit",
        ),
        pytest.param({}, 4, id="no control groups"),
    ],
)
def test_threads_follow_the_containers_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str], cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert device.cpu_limit(tmp_path) == cores
