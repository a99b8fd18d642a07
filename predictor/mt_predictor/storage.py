"""Writes results so that a reader finds a whole file or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mt_predictor.errors import StorageError


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while writing below ``folder`` into an error that says what to do.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise StorageError(
            f"{where} cannot be written ({error.strerror or error}): check the claim's access "
            "mode, its free space, and that group 65532 may write"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` aside, then put it in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.aside")
    aside.write_text(text, encoding="utf-8", errors="replace")
    aside.replace(path)
