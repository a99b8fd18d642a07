"""What an image's content is, and what a node is found to have."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcluster.errors import ClusterError
from localcluster.image_content import ImageBuild, content_digest, copied_files, copied_sources
from localcluster.image_store import has, listed
from localcluster.images import image_ids, older
from localcluster.pip_settings import pip_settings

DOCKERFILE = """\
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build
COPY --chown=65532:65532 lib/ lock.txt \\
     /app/
FROM ${BASE}
COPY --from=build /app /app
add ./main.py /app/
"""


def context(root: Path) -> Path:
    for name in ("lib/a.py", "lib/deep/b.py", "lock.txt", "main.py", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "Dockerfile").write_text(DOCKERFILE)
    return root


def digest(root: Path, base: str = "sha256:1", **arguments: str) -> str:
    return content_digest(ImageBuild("localhost/x:1", root / "Dockerfile", root, arguments), base)


def test_sources_are_read_from_copy_and_add_but_not_from_other_stages() -> None:
    assert copied_sources(DOCKERFILE) == ["lib", "lock.txt", "main.py"]


@pytest.mark.parametrize(
    ("line", "sources"),
    [
        pytest.param("COPY a b /c/", ["a", "b"], id="several"),
        pytest.param('COPY ["a b", "/c/"]', ["a b"], id="a list"),
        pytest.param("COPY . /c", ["."], id="everything"),
        pytest.param("RUN echo COPY a b", [], id="a command that speaks of it"),
        pytest.param("# COPY a b", [], id="a comment"),
    ],
)
def test_forms_of_copy(line: str, sources: list[str]) -> None:
    assert copied_sources(line) == sources


def test_copied_folders_count_with_all_their_files(tmp_path: Path) -> None:
    root = context(tmp_path)
    names = [str(path.relative_to(root.resolve())) for path in copied_files(DOCKERFILE, root)]
    assert names == ["lib/a.py", "lib/deep/b.py", "lock.txt", "main.py"]


def test_patterns_and_the_whole_context_count(tmp_path: Path) -> None:
    root = context(tmp_path)
    assert len(copied_files("COPY lib/*.py /x/", root)) == 1
    assert len(copied_files("COPY . /x/", root)) == 6


@pytest.mark.parametrize("changed", ["lib/deep/b.py", "lock.txt", "main.py"])
def test_a_changed_file_is_another_image(tmp_path: Path, changed: str) -> None:
    root = context(tmp_path)
    before = digest(root)
    (root / changed).write_text("other")
    assert digest(root) != before


def test_what_is_not_copied_is_no_other_image(tmp_path: Path) -> None:
    root = context(tmp_path)
    before = digest(root)
    (root / "README.md").write_text("other")
    (root / "lib" / "__pycache__").mkdir()
    (root / "lib" / "__pycache__" / "a.pyc").write_bytes(b"\0")
    assert digest(root) == before


def test_base_arguments_dockerfile_modes_and_names_make_another_image(tmp_path: Path) -> None:
    root = context(tmp_path)
    digests = [digest(root), digest(root, base="sha256:2"), digest(root, EXTRA="1")]
    (root / "main.py").chmod(0o755)
    digests.append(digest(root))
    (root / "lib" / "a.py").rename(root / "lib" / "c.py")
    digests.append(digest(root))
    (root / "Dockerfile").write_text(DOCKERFILE + "USER 1\n")
    digests.append(digest(root))
    assert len(set(digests)) == len(digests)


def test_a_missing_dockerfile_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="there is no Dockerfile"):
        digest(tmp_path)


def test_ids_of_built_images_are_read() -> None:
    table = "localhost/pause:1      sha256:aa\n<none>:<none>  sha256:bb\n\n"
    assert image_ids(table)["localhost/pause:1"] == "sha256:aa"


def test_only_the_newest_builds_of_a_name_are_kept() -> None:
    table = """\
localhost/x:1 sha256:d
localhost/x:content-d sha256:d
localhost/x-faulty:content-c sha256:c
<none>:<none> sha256:b2
localhost/x:content-b sha256:b
localhost/x:content-a sha256:a
"""
    assert older(table, "localhost/x", 1) == ["localhost/x:content-b", "localhost/x:content-a"]
    assert older(table, "localhost/x", 3) == []


STORE = """\
REF               TYPE            DIGEST       SIZE     PLATFORMS   LABELS
localhost/x:1     application/v2  sha256:d1    1 MiB    linux/amd64 -
sha256:i1         application/v2  sha256:d1    1 MiB    linux/amd64 -
sha256:i0         application/v2  sha256:d0    1 MiB    linux/amd64 -
"""


@pytest.mark.parametrize(
    ("tag", "image_id", "there"),
    [
        pytest.param("localhost/x:1", "sha256:i1", True, id="this very image"),
        pytest.param("localhost/x:1", "sha256:i0", False, id="an older one under the tag"),
        pytest.param("localhost/x:1", "sha256:i2", False, id="an image that was never loaded"),
        pytest.param("localhost/x:2", "sha256:i1", False, id="the image under another tag"),
    ],
)
def test_an_image_is_loaded_once(tag: str, image_id: str, there: bool) -> None:
    assert has(listed(STORE), tag, image_id) is there


def test_pip_in_builds_has_this_machines_settings_and_its_certificates() -> None:
    config = (
        "global.index-url='https://index.example/simple'\n"
        ":env:.timeout='180'\n"
        "global.cert='/home/me/own.pem'\n"
        "install.user='1'\n"
    )
    settings = pip_settings(config).splitlines()
    assert settings[0] == "[global]"
    assert "index-url = https://index.example/simple" in settings
    assert "timeout = 180" in settings
    assert not any("own.pem" in line or "user" in line for line in settings)
