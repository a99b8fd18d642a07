"""``metrics.jsonl``: a line of JSON for each moment, cut to the checkpoint that is gone on from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mt_contract import storage
from mt_trainer.tracking.line import Line


class MetricsFile:
    """Writes the file; a Record."""

    def __init__(self, path: Path) -> None:
        """Write to ``path``."""
        self._path = path

    def begin(self, history: Sequence[Line]) -> None:
        """Write the file anew."""
        text = "".join(map(_text, history))
        storage.retried(lambda: storage.write_aside(self._path, text.encode()))

    def add(self, line: Line) -> None:
        """Append a line."""
        storage.retried(lambda: storage.append(self._path, _text(line).encode()))


def until(path: Path, step: int) -> list[Line]:
    """Return the lines of steps up to ``step``: an attempt cut off went beyond its checkpoint."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8").splitlines(keepends=True):
        document = json.loads(text) if text.endswith("\n") else None  # else cut off within a line
        if document and document["step"] <= step:
            found.append(Line.of(document))
    return found


def _text(line: Line) -> str:
    return json.dumps(line.document()) + "\n"
