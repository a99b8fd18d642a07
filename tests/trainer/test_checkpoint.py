from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mt_contract import storage
from mt_contract.errors import StorageError
from mt_trainer.checkpoint import Position, Store


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"a": np.full((3, 2), value, np.float32), "seed": np.array([7, 9], np.uint32)}


def at(step: int) -> Position:
    return replace(Position(), step=step, epoch=1, batch=step, best=2.5, waited=1)


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    Store(tmp_path, "id").save(arrays(1.5), at(3))
    found = Store(tmp_path, "id").latest()
    assert found is not None
    assert found[1] == at(3)
    assert found[0]["seed"].dtype == np.uint32
    np.testing.assert_array_equal(found[0]["a"], arrays(1.5)["a"])


def test_only_the_two_newest_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path, "id")
    for step in (1, 2, 3, 10):
        store.save(arrays(step), at(step))
    assert len(list(tmp_path.iterdir())) == 2
    assert store.latest()[1].step == 10  # type: ignore[index]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut off"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: b"\xff" * len(data), id="overwritten"),
        pytest.param(lambda data: data[:8] + b"[]" + data[10:], id="another header"),
    ],
)
def test_a_damaged_one_gives_way_to_the_one_before(tmp_path: Path, damage: object) -> None:
    store = Store(tmp_path, "id")
    for step in (1, 2):
        store.save(arrays(step), at(step))
    newest = max(tmp_path.iterdir())
    newest.write_bytes(damage(newest.read_bytes()))  # type: ignore[operator]
    assert store.latest()[1].step == 1  # type: ignore[index]


def test_another_recipes_checkpoint_is_not_used(tmp_path: Path) -> None:
    Store(tmp_path, "one").save(arrays(1), at(5))
    Store(tmp_path, "one").save_best(arrays(1))
    other = Store(tmp_path, "other")
    assert (other.latest(), other.best()) == (None, None)
    other.clear()
    assert list(tmp_path.iterdir()) == []


def test_nothing_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert Store(tmp_path / "none", "id").latest() is None


def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, "id")
    store.save(arrays(1), at(1))
    monkeypatch.setattr(storage, "_PAUSES", ())

    def full(path: Path, data: bytes) -> None:
        path.with_name(".aside").write_bytes(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(storage, "write_aside", full)
    monkeypatch.setattr(storage.time, "sleep", lambda _: None)
    with pytest.raises(StorageError, match="is full"):
        store.save(arrays(2), at(2))
    assert store.latest()[1].step == 1  # type: ignore[index]
