"""What a built program is named by, and what counts as new enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcluster import binaries, debian, versions
from localcluster.cache import Cache, default_cache
from localcluster.errors import ClusterError
from localcluster.instance import Addition, Part
from localcluster.progress import Progress

CACHE = Cache(Path("/cache"))


def project(root: Path, name: str, mod: str) -> None:
    (root / name).mkdir(exist_ok=True)
    (root / name / "go.mod").write_text(mod)
    (root / name / "go.sum").write_text("sums\n")


def test_each_part_needs_the_programs_of_those_before_it() -> None:
    names = [[each.name for each in binaries.needed(part)] for part in Part]
    assert names[0] == ["etcd", "kube-apiserver"]
    assert names[0] == names[1][:2]
    assert names[1] == names[2][: len(names[1])]
    assert "kserve-manager" in names[2]
    assert "kubectl" not in names[2]


@pytest.mark.parametrize(
    ("part", "additions", "more"),
    [
        pytest.param(Part.KSERVE, [], [], id="nothing was asked for"),
        pytest.param(Part.NODE, [Addition.PROMETHEUS], ["prometheus"], id="Prometheus"),
        pytest.param(
            Part.KSERVE,
            [Addition.KNATIVE],
            [f"knative-{name}" for name in (*binaries.KNATIVE_SERVING, "gateway")],
            id="Knative",
        ),
        pytest.param(Part.NODE, [Addition.KNATIVE], [], id="Knative, but not what it stands on"),
    ],
)
def test_additions_need_programs_only_where_they_are_asked_for(
    part: Part, additions: list[Addition], more: list[str]
) -> None:
    found = [each.name for each in binaries.needed(part, additions)]
    assert found == [each.name for each in binaries.needed(part)] + more


def test_a_tool_that_is_not_built_here_is_told_with_those_that_are() -> None:
    with pytest.raises(ClusterError, match=r"no program 'awk'; there are: .*promtool"):
        binaries.tool(CACHE, "awk", Progress())


def test_every_component_has_its_project_in_the_checkout() -> None:
    for component in binaries.COMPONENTS.values():
        assert f"\t{component.package}\n" in binaries.lock(component.project) or (
            f"tool {component.package}\n" in binaries.lock(component.project)
        ), f"{component.name} is no tool of {component.folder / 'go.mod'}"


def test_kubernetes_programs_are_told_the_version_that_is_locked() -> None:
    flags = binaries.linker_flags(binaries.COMPONENTS["kubelet"])
    locked = binaries.lock("kubernetes")
    version = flags.partition("gitVersion=")[2].split()[0]
    assert f"k8s.io/kubernetes {version} " in locked
    assert f"gitMinor={version.split('.')[1]}" in flags
    assert binaries.linker_flags(binaries.COMPONENTS["etcd"]) == "-s -w"


def test_a_changed_lock_gives_a_program_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "PROJECTS", tmp_path)
    etcd = binaries.COMPONENTS["etcd"]
    project(tmp_path, "etcd", "module a\n")
    before = binaries.path(CACHE, etcd)
    project(tmp_path, "etcd", "module b\n")
    after = binaries.path(CACHE, etcd)
    assert before != after
    assert before.name == after.name == "etcd"
    assert before.is_relative_to("/cache/bin")


def test_a_missing_lock_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "PROJECTS", tmp_path)
    with pytest.raises(ClusterError, match=r"etcd/go\.mod is missing"):
        binaries.lock("etcd")


def test_texts_are_told_apart_where_they_meet() -> None:
    assert binaries.digest("ab", "c") != binaries.digest("a", "bc")


@pytest.mark.parametrize(
    ("found", "minimum", "enough"),
    [
        pytest.param("go1.26.0", "1.26", True, id="the same"),
        pytest.param("go1.27rc1", "1.26", True, id="a candidate of a newer one"),
        pytest.param("go1.9", "1.26", False, id="numbers, not letters, are compared"),
        pytest.param("1.32.4-dispatcher", "1.32", True, id="what follows a dash is no version"),
        pytest.param("v1.31.9", "1.32", False, id="older"),
        pytest.param("0", "1.26", False, id="none"),
    ],
)
def test_versions_are_compared_by_number(found: str, minimum: str, enough: bool) -> None:
    assert versions.at_least(found, minimum) is enough


def test_a_makefile_of_versions_is_read() -> None:
    text = "# a comment = no version\nA = 1.2\nB:=3\n\nC ?= x y \n"
    assert versions.parse(text) == {"A": "1.2", "B": "3", "C": "x y"}


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(ClusterError, match="NO_SUCH_VERSION"):
        versions.version("NO_SUCH_VERSION")


@pytest.mark.parametrize(
    ("installed", "absent"),
    [
        pytest.param("installed runc\ninstalled iptables\n", [], id="both are there"),
        pytest.param("installed runc\n", ["iptables"], id="one was never there"),
        pytest.param(
            "config-files runc\ninstalled iptables\n", ["runc"], id="removed, its settings kept"
        ),
        pytest.param("", ["runc", "iptables"], id="neither"),
    ],
)
def test_missing_packages_are_found(installed: str, absent: list[str]) -> None:
    assert debian.missing(["runc", "iptables"], installed) == absent


def test_the_machines_own_mirrors_of_a_suite_are_used() -> None:
    targets = (
        "Debian http://mirror/debian bookworm main\n"
        "Debian http://mirror/debian-security bookworm-security main\n"
        "Debian http://mirror/debian trixie main\n"
        "Node http://other/node nodistro main\n"
        " http://unread/debian bookworm main\n"
    )
    assert debian.sources(targets, "bookworm") == [
        "deb http://mirror/debian bookworm main",
        "deb http://mirror/debian-security bookworm-security main",
    ]


def test_a_cache_that_a_node_would_hide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/lib/ci/cache")
    with pytest.raises(ClusterError, match="XDG_CACHE_HOME"):
        default_cache()


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache().clusters == tmp_path.resolve() / "translation-operator" / "clusters"
