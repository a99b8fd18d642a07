"""Threads follow the container's limit, not the host's cores."""

from __future__ import annotations

from pathlib import Path

import pytest

from mt_predictor.cpu import Threads, available_threads, cpu_limit, threads

V1 = "4:memory:/pod/one\n3:cpu,cpuacct:/pod/one\n1:name=systemd:/pod/one\n"


def of_v1(folder: str, quota: int) -> dict[str, str]:
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("files", "own", "limit"),
    [
        pytest.param({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5, id="v2"),
        pytest.param({"cpu.max": "max 100000\n"}, "0::/\n", None, id="v2 without a limit"),
        pytest.param({"cpu.max": "150000 50000\n"}, "0::/\n", 3.0, id="v2: another period"),
        pytest.param(
            {"pod/one/cpu.max": "200000 100000", "pod/cpu.max": "max 100000"},
            "0::/pod/one\n",
            2.0,
            id="v2 of the host: its own group",
        ),
        pytest.param(
            {"pod/one/cpu.max": "max 100000", "pod/cpu.max": "100000 100000"},
            "0::/pod/one\n",
            1.0,
            id="v2 of the host: a group above",
        ),
        pytest.param(
            {"cpu.max": "50000 100000"},
            "0::/pod/one\n",
            0.5,
            id="v2: the host's name of what is the root here",
        ),
        pytest.param(of_v1("cpu", 200_000), V1, 2.0, id="v1"),
        pytest.param(of_v1("cpu", -1), V1, None, id="v1: -1"),
        pytest.param(of_v1("cpu,cpuacct", 200_000), V1, 2.0, id="v1 with both controllers' name"),
        pytest.param(of_v1("cpu,cpuacct/pod/one", 300_000), V1, 3.0, id="v1 of the host"),
        pytest.param(of_v1("memory/pod/one", 300_000), V1, None, id="v1: another controller"),
        pytest.param(
            of_v1("cpu", 400_000) | {"memory.max": "max"}, "0::/\n" + V1, 4.0, id="v1 and v2"
        ),
        pytest.param({}, None, None, id="no cgroups"),
        pytest.param({"cpu.max": "nonsense"}, "0::/\n", None, id="unreadable"),
        pytest.param({"cpu.max": "100000 0"}, "0::/\n", None, id="no period"),
    ],
)
def test_the_limit_is_read(
    files: dict[str, str], own: str | None, limit: float | None, tmp_path: Path
) -> None:
    cgroups, groups = tmp_path / "cgroup", tmp_path / "own"
    for name, text in files.items():
        (cgroups / name).parent.mkdir(exist_ok=True, parents=True)
        (cgroups / name).write_text(text)
    if own is not None:
        groups.write_text(own)
    assert cpu_limit(cgroups, groups) == limit


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        pytest.param(0.25, Threads(1, 1), id="a quarter"),
        pytest.param(1.9, Threads(1, 1), id="not quite two"),
        pytest.param(2, Threads(2, 1), id="two: workers first"),
        pytest.param(3.5, Threads(3, 1), id="three and a half"),
        pytest.param(4, Threads(4, 1), id="four"),
        pytest.param(7, Threads(4, 1), id="seven: three would not be shared evenly"),
        pytest.param(16, Threads(4, 4), id="sixteen: batches get more each"),
    ],
)
def test_how_they_are_used(cpus: float, expected: Threads) -> None:
    assert threads(cpus) == expected


@pytest.mark.parametrize(
    ("limit", "runnable", "expected"),
    [
        pytest.param("50000 100000", 64, Threads(1, 1), id="a limit below the host's cores"),
        pytest.param("800000 100000", 64, Threads(4, 2), id="eight of 64"),
        pytest.param("800000 100000", 2, Threads(2, 1), id="a cpuset below the limit"),
        pytest.param("max 100000", 3, Threads(3, 1), id="a cpuset alone"),
    ],
)
def test_what_is_less_counts(limit: str, runnable: int, expected: Threads, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert available_threads(tmp_path, tmp_path / "none", runnable) == expected


def test_this_machine_has_some() -> None:
    assert available_threads().inter >= 1
