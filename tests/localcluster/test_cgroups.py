"""Control groups in both versions, on folders that look like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcluster import cgroups
from localcluster.errors import ClusterError


def version_1(root: Path) -> Path:
    for tree in ("cpu", "cpuset", "memory"):
        (root / tree).mkdir()
        (root / tree / "cgroup.procs").touch()
    (root / "cpuacct").symlink_to(root / "cpu")
    for setting, value in (("cpuset.cpus", "0-1"), ("cpuset.mems", "0")):
        (root / "cpuset" / setting).write_text(value)
    return root


def version_2(root: Path) -> Path:
    (root / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma")
    (root / "cgroup.subtree_control").touch()
    return root


def test_version_1_has_a_group_in_each_tree_once(tmp_path: Path) -> None:
    root = version_1(tmp_path)
    cgroups.create("lc", root)
    assert {place.parent.name for place in cgroups.groups("lc", root)} == {
        "cpu", "cpuset", "memory",
    }  # fmt: skip
    assert all(place.is_dir() for place in cgroups.groups("lc", root))


def test_version_1_fills_an_empty_cpuset(tmp_path: Path) -> None:
    root = version_1(tmp_path)
    place = root / "cpuset" / "lc"
    place.mkdir()
    for setting in ("cpuset.cpus", "cpuset.mems"):
        (place / setting).write_text("\n")
    cgroups.create("lc", root)
    assert (place / "cpuset.cpus").read_text() == "0-1"
    assert (place / "cpuset.mems").read_text() == "0"


def test_version_2_hands_its_controllers_down(tmp_path: Path) -> None:
    root = version_2(tmp_path)
    place = root / "lc"
    place.mkdir()
    (place / "cgroup.controllers").write_text("cpu memory pids")
    cgroups.create("lc", root)
    assert cgroups.is_version_2(root)
    handed = (root / "cgroup.subtree_control").read_text()
    assert handed == "+cpuset +cpu +io +memory +pids"
    assert (place / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_a_machine_without_control_groups_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no control groups"):
        cgroups.create("lc", tmp_path / "nowhere")


def test_a_group_goes_with_all_below_it(tmp_path: Path) -> None:
    root = tmp_path
    (root / "cpu" / "lc" / "pods" / "one").mkdir(parents=True)
    (root / "cpu" / "cgroup.procs").touch()
    cgroups.remove("lc", root)
    assert not (root / "cpu" / "lc").exists()
    cgroups.remove("lc", root)


def test_a_group_with_processes_is_named_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "REMOVAL_SECONDS", 0.0)
    group = tmp_path / "cpu" / "lc"
    group.mkdir(parents=True)
    (tmp_path / "cpu" / "cgroup.procs").touch()
    # On a real tree this file is the kernel's; here it keeps the folder from being removed.
    (group / "cgroup.procs").write_text("4711\n")
    with pytest.raises(ClusterError, match="4711"):
        cgroups.remove("lc", tmp_path)
