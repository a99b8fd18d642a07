"""Writing to a run's folder: whole or not at all, retried for a moment, given up with advice."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mt_contract.errors import StorageError

T = TypeVar("T")
_PAUSES = (0.5, 1.0, 2.0)  # seconds before the further attempts
_LASTING = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
_ADVICE = {
    errno.ENOSPC: "the volume is full: make it larger, or remove finished runs",
    errno.EDQUOT: "the quota is used up: raise it, or remove finished runs",
    errno.EROFS: "the volume is read-only: mount it for writing",
    errno.EACCES: "user 65532 may not write there: set the volume's owner, or fsGroup",
    errno.ENOTDIR: "a file stands where a folder should: name another place, or remove it",
    errno.EEXIST: "a file stands where a folder should: name another place, or remove it",
    errno.EPERM: "user 65532 may not write there: set the volume's owner, or fsGroup",
}


def retried(action: Callable[[], T], pauses: tuple[float, ...] = _PAUSES) -> T:
    """Return what ``action`` returns, tried again after short pauses while the storage fails.

    Raises:
        StorageError: it failed each time, or in a way that does not pass.
    """
    for pause in (*pauses, None):
        try:
            return action()
        except OSError as error:
            if pause is None or error.errno in _LASTING:
                raise unavailable(error) from error
            time.sleep(pause)
    raise AssertionError("unreachable")


def check_writable(folder: Path) -> None:
    """Try to write, so that a training does not find out at its end that it cannot be kept.

    Raises:
        StorageError: it cannot be written.
    """

    def attempt() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_aside(folder / ".writable", b"")
        (folder / ".writable").unlink()

    retried(attempt)


def unavailable(error: OSError) -> StorageError:
    """Return the failure that ``error`` means for the user."""
    where = error.filename or "the run's folder"
    advice = _ADVICE.get(
        error.errno or 0,
        "the storage failed; the run goes on from its last checkpoint when it is back",
    )
    return StorageError(f"{where} cannot be written ({error.strerror or error}): {advice}")


@contextmanager
def writing() -> Iterator[None]:
    """Turn what goes wrong while writing into an error that says what to do.

    Raises:
        StorageError: something cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise unavailable(error) from error


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """Yield where to write a file; it is put in place when the block ends, and not if that fails.

    It is seen whole or not at all, also after a crash of the machine.
    """
    aside = path.with_name(f".{path.name}.aside")
    yield aside
    sync(aside)
    aside.replace(path)
    sync(path.parent)


def write_aside(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file as ``placed`` says."""
    with placed(path) as aside, aside.open("wb") as stream:
        stream.writelines((data,) if isinstance(data, bytes) else data)


def append(path: Path, data: bytes) -> None:
    """Add to a file's end, all of ``data`` or nothing."""
    with path.open("ab", buffering=0) as stream:
        size = stream.tell()
        try:
            if stream.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError:
            stream.truncate(size)
            raise


def sync(path: Path) -> None:
    """Make a file's content, or the renames in a folder, last through a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
