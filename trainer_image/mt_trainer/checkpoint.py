"""Checkpoints: all that a training needs to go on as if it had never stopped.

Each is one file, whole or not there. It holds arrays (safetensors: no code is ever loaded) and, in
its header, the position in the training as JSON.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mt_contract import storage

_KEPT = 2  # the newest, and one before it in case the newest is damaged
_log = logging.getLogger(__name__)
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Position:
    """How far a training is; with the arrays of a checkpoint it determines everything that follows.

    Attributes:
        epoch: number from 0 of the epoch that is under way.
        batch: how many of its batches are done.
        step: how many steps are done in all.
        loss_sum: cross-entropy summed over this epoch's tokens so far.
        tokens: how many these are.
        smoothed: running mean of the steps' losses; None before the first.
        lowest: the lowest that it was.
        best: lowest validation loss so far; None before the first.
        best_epoch: when it was seen.
        best_training: the training loss of that epoch.
        waited: epochs since then.
        last: validation loss of the last epoch.
        gradient_norm: of the last step, before clipping; None before the first.
        rate_factor: halved by a rollback.
        rollbacks: how often the loss ran away.
        seconds: time spent training, over all attempts.
        cpu_seconds: processor time, likewise.
        finished: whether nothing is left to train.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    tokens: int = 0
    smoothed: float | None = None
    lowest: float | None = None
    best: float | None = None
    best_epoch: int = 0
    best_training: float | None = None
    waited: int = 0
    last: float | None = None
    gradient_norm: float | None = None
    rate_factor: float = 1.0
    rollbacks: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    finished: bool = False


def metadata(data: bytes) -> dict[str, str]:
    """Return what is told of the arrays in a file of safetensors, which its header begins with.

    Raises:
        ValueError: it is no such file.
        KeyError: nothing is told.
    """
    size = int.from_bytes(data[:8], "little")
    found: dict[str, str] = json.loads(data[8 : 8 + size])["__metadata__"]
    return found


class Store:
    """The checkpoints of one training, in a folder of their own."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Open the folder; checkpoints of another ``identity`` (recipe and data) are not used."""
        self._folder = folder
        self._identity = identity

    def save(self, arrays: Arrays, position: Position) -> None:
        """Write a checkpoint, then remove those that are no longer needed.

        Raises:
            StorageError: it cannot be written.
        """
        storage.retried(
            lambda: self._write(f"step-{position.step:010d}.safetensors", arrays, asdict(position))
        )
        for path in self._newest_first()[_KEPT:]:
            path.unlink(missing_ok=True)

    def latest(self) -> tuple[dict[str, np.ndarray], Position] | None:
        """Return the newest checkpoint that is whole and of this training, or None."""
        for path in self._newest_first():
            found = self._read(path)
            if found is not None:
                return found[0], Position(**found[1])
        return None

    def clear(self) -> None:
        """Remove what another training left here."""
        for path in self._folder.glob("*.safetensors"):
            path.unlink(missing_ok=True)

    def save_best(self, arrays: Arrays) -> None:
        """Keep the weights that validated best.

        Raises:
            StorageError: they cannot be written.
        """
        storage.retried(lambda: self._write("best.safetensors", arrays, {}))

    def best(self) -> dict[str, np.ndarray] | None:
        """Return the weights that validated best, or None."""
        found = self._read(self._folder / "best.safetensors")
        return found[0] if found else None

    def _write(self, name: str, arrays: Arrays, position: Mapping[str, object]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        header = {"identity": self._identity, "position": json.dumps(position)}
        storage.write_aside(self._folder / name, save(dict(arrays), metadata=header))

    def _read(self, path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        try:
            data = path.read_bytes()
            header = metadata(data)
            arrays = load(data)
            position = json.loads(header["position"])
        except FileNotFoundError:
            return None
        except (SafetensorError, ValueError, KeyError) as error:
            _log.warning("%s is damaged (%s): the checkpoint before it is used", path, error)
            return None
        if header.get("identity") != self._identity:
            _log.warning("%s is of another recipe or other data: it is not used", path)
            return None
        return arrays, position

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.safetensors"), reverse=True)
