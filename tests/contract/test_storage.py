from __future__ import annotations

import errno
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from mt_contract import storage
from mt_contract.errors import StorageError


def failing(code: int, times: int) -> tuple[Callable[[], str], list[int]]:
    """Return an action that fails some times, and the list of its calls."""
    calls: list[int] = []

    def action() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise OSError(code, "message", "/mnt/pvc/models/x")
        return "done"

    return action, calls


def test_a_hiccup_is_forgotten() -> None:
    action, calls = failing(errno.EIO, 2)
    assert storage.retried(action, (0, 0, 0)) == "done"
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("code", "attempts", "advice"),
    [
        pytest.param(errno.EIO, 3, "goes on from its last checkpoint", id="a failing disk"),
        pytest.param(errno.ENOSPC, 3, "make it larger", id="a full volume"),
        pytest.param(errno.EROFS, 1, "mount it for writing", id="a read-only volume"),
        pytest.param(errno.EACCES, 1, "fsGroup", id="a volume of somebody else's"),
    ],
)
def test_a_failure_that_stays_says_where_and_what_to_do(
    code: int, attempts: int, advice: str
) -> None:
    action, calls = failing(code, 99)
    with pytest.raises(StorageError, match=advice) as error:
        storage.retried(action, (0, 0))
    assert "/mnt/pvc/models/x" in str(error.value)
    assert len(calls) == attempts
    assert error.value.exit_code == 5


def test_a_place_below_a_file_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder should"):
        storage.check_writable(tmp_path / "file" / "run")


def test_a_writable_place_is_left_empty(tmp_path: Path) -> None:
    storage.check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    storage.write_aside(tmp_path / "x", b"one")
    storage.write_aside(tmp_path / "x", b"two")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x", b"two")]


def test_what_is_added_to_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    storage.append(path, b"first\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # as a volume that fills up
    try:
        with pytest.raises(OSError, match="No space left"):
            storage.append(path, b"second\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"first\n"
    storage.append(path, b"second\n")
    assert path.read_bytes() == b"first\nsecond\n"
