"""Files of this machine: a volume that is mounted, or a laptop's disk."""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from pathlib import Path

from mt_contract.errors import DataError, ProgramError, StorageError
from mt_corpus.steady import Opened, Place, Stamp


def place(uri: str, location: str) -> Place:
    """Return the file at a path; ``uri`` names it in messages."""
    path = Path(location)

    def stamped() -> Stamp:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError(None, "it is no regular file")
        return Stamp(found.st_size, str(found.st_mtime_ns))

    def opened(position: int) -> Opened:
        file = path.open("rb", buffering=0)
        file.seek(position)
        return file

    return Place(uri, stamped, opened, (OSError,), partial(_explained, uri, location))


def _explained(uri: str, location: str, error: Exception) -> ProgramError:
    why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    if isinstance(error, FileNotFoundError):
        return DataError(
            f"{uri} does not exist ({location}): correct the location in spec.data, or copy the "
            "file there"
        )
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return DataError(f"{uri} is not a file ({why}): name the file itself")
    if isinstance(error, PermissionError):
        return DataError(f"{uri} may not be read ({why}): give group or others read permission")
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return DataError(f"{uri} is a link that leads to itself: name the file itself")
    return StorageError(f"{uri} could not be read ({why}): the storage failed")
