"""A file elsewhere, read on where a lost connection left it, and known not to have changed."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import Any, NamedTuple, Protocol, TypeVar

from mt_contract.errors import BadArtifactError, DataError, ProgramError, StorageError

T = TypeVar("T")
PAUSES = (0.5, 2.0, 5.0, 10.0)  # seconds before the further attempts of one read

_BUFFER = 4 << 20  # bytes asked for at a time
_SKIPPED = 1 << 20  # bytes at a time


class Stamp(NamedTuple):
    """What tells one content of a file from another: its size, where known, and its version."""

    size: int | None
    version: str


class Opened(Protocol):
    """A file at a position, as libraries return them."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""

    def close(self) -> Any:
        """Let go of it."""


def skip(file: Opened, count: int) -> None:
    """Read ``count`` bytes and drop them."""
    while count and (dropped := file.read(min(count, _SKIPPED))):
        count -= len(dropped)


@dataclass(frozen=True)
class Place:
    """One file: how it is reached, and what its failures mean.

    Attributes:
        uri: for messages.
        stamp: asks for its size and version.
        open: opens it at a position.
        failures: what both of these, and reading, raise.
        explain: the error for the user; None: the failure may pass.
        seekable: whether reading at any position costs no more than reading on.
    """

    uri: str
    stamp: Callable[[], Stamp]
    open: Callable[[int], Opened]
    failures: tuple[type[Exception], ...]
    explain: Callable[[Exception], ProgramError | None]
    seekable: bool = True


@dataclass(frozen=True)
class Folder:
    """Files that belong together.

    Attributes:
        sizes: bytes, where known, of the files in a folder below (or in "" itself) by name; folders
            in it are not among them, and of a folder that is not there nothing is.
        place: a file, by its path with forward slashes.
    """

    sizes: Callable[[str], Mapping[str, int | None]]
    place: Callable[[str], Place]


def repeated(
    action: Callable[[], T],
    failures: tuple[type[Exception], ...],
    explain: Callable[[Exception], ProgramError | None],
    failed: str,
    where: Callable[[], str] = str,
) -> T:
    """Return what ``action`` returns, tried again after pauses where a failure may pass.

    Args:
        action: what is tried.
        failures: what it raises.
        explain: the error for the user; None: the failure may pass.
        failed: says that it could not be done.
        where: says how far it came.

    Raises:
        ProgramError: a failure of which it is known what it means.
        StorageError: it failed each time.
    """
    for pause in (*PAUSES, None):
        try:
            return action()
        except failures as error:
            known = explain(error)
            if known is not None:
                raise known from error
            if pause is None:
                raise StorageError(
                    f"{failed} in {len(PAUSES) + 1} attempts{where()} "
                    f"({str(error) or type(error).__name__}): the storage or the way to it failed"
                ) from error
            time.sleep(pause)
    raise AssertionError("unreachable")


@contextmanager
def opened(place: Place) -> Iterator[BufferedReader[Steady]]:
    """Open a file as it is stored; failures that may pass are repeated where they came.

    Raises:
        ProgramError: what ``place`` explains.
        StorageError: it cannot be reached just now, or the file was changed while read.
    """
    steady = Steady(place)
    with BufferedReader(steady, _BUFFER) as stream:
        try:
            yield stream
        except (BadArtifactError, DataError):  # a file that changes seems damaged
            steady.confirm()
            raise
        steady.confirm()


class Steady(io.RawIOBase):
    """The bytes of a place; only errors for the user leave it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._file: Opened | None = None
        self._position = 0
        self._ended = False
        self.stamp = self._repeated(place.stamp)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether any position can be read at once."""
        return self._place.seekable

    def tell(self) -> int:
        """Return the position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, and return it; nothing is asked for before the next read."""
        if not self._place.seekable:
            raise io.UnsupportedOperation("seek")
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.stamp.size or 0}
        position = start[whence] + offset
        if position != self._position:
            self._let_go()
            self._ended = False
        self._position = position
        return position

    def readinto(self, buffer: Any, /) -> int:
        """Fill the whole of ``buffer``, but at the end of the file.

        Raises:
            ProgramError: the file cannot be read, or not just now.
        """
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and not self._ended:
            data = self._repeated(partial(self._read, len(view) - filled))
            self._ended = not data
            view[filled : filled + len(data)] = data
            filled += len(data)
            self._position += len(data)
        return filled

    def confirm(self) -> None:
        """Check that the file is still the one that was opened.

        Raises:
            StorageError: it is another one by now.
        """
        if self._repeated(self._place.stamp) != self.stamp:
            raise StorageError(
                f"{self._place.uri} was changed while it was read: the next attempt reads it anew; "
                "write new data under a new name"
            )

    def close(self) -> None:
        """Let go of the file."""
        self._let_go()
        super().close()

    def _read(self, size: int) -> bytes:
        if self._file is None:
            self._file = self._place.open(self._position)
        data = self._file.read(size)
        if not data and self._position < (self.stamp.size or 0):
            raise ConnectionError(f"it ended after {self._position:,} of {self.stamp.size:,} bytes")
        return data

    def _repeated(self, action: Callable[[], T]) -> T:
        def attempt() -> T:
            try:
                return action()
            except self._place.failures:
                self._let_go()
                raise

        place, told = self._place, f"{self._place.uri} could not be read"
        return repeated(attempt, place.failures, place.explain, told, self._where)

    def _where(self) -> str:
        return f", the last time at byte {self._position:,}"

    def _let_go(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
