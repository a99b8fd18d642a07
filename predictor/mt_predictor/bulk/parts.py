"""What is done of an output, beside it: numbered parts, each whole or not there, and what of.

::

    out.jsonl.parts/made-of.json    the input, the model, how: written first
                    00000000.part   bytes of the output
                    00000000.json   its Record, written after it: now the part counts
    out.jsonl.summary.json          written once all parts are joined; then the folder goes
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt_contract import names, storage
from mt_contract.codec import DecodeError, from_json, to_json
from mt_contract.errors import ConfigurationError

NAMED = 20  # failed lines that a summary names
_MADE_OF = "made-of.json"
Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Failed:
    """A line without a translation."""

    line: int
    why: str


@dataclass(frozen=True)
class Record:
    """What is known of a part, or of several."""

    lines: int = 0
    empty: int = 0  # lines without text
    failed: int = 0  # lines whose text could not be read or translated
    truncated: int = 0  # translations that the model did not end
    source_tokens: int = 0
    target_tokens: int = 0
    seconds: float = 0.0
    size: int = 0  # bytes of the part
    failures: tuple[Failed, ...] = ()  # the first of them

    def __add__(self, other: Record) -> Record:
        """Return what is known of both, this one being the first."""
        return Record(
            self.lines + other.lines,
            self.empty + other.empty,
            self.failed + other.failed,
            self.truncated + other.truncated,
            self.source_tokens + other.source_tokens,
            self.target_tokens + other.target_tokens,
            self.seconds + other.seconds,
            self.size + other.size,
            (self.failures + other.failures)[:NAMED],
        )


@dataclass(frozen=True)
class Parts:
    """The parts of one output; methods that write raise OSError where they cannot."""

    out: Path

    @property
    def folder(self) -> Path:
        """Return where the parts are."""
        return self.out.with_name(f"{self.out.name}.parts")

    @property
    def summary(self) -> Path:
        """Return the file that tells of the whole output."""
        return self.out.with_name(f"{self.out.name}.summary.json")

    def begun(self) -> Tree | None:
        """Return what the parts are made of; None: there are none."""
        return _read(self.folder / _MADE_OF)

    def finished(self) -> Tree | None:
        """Return the summary of an output that is there; None: it is not, or not by us."""
        return _read(self.summary) if self.out.exists() else None

    def begin(self, made_of: Tree) -> None:
        """Say what all parts will be made of."""
        if self.folder.exists():  # parts that were being removed, perhaps
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        storage.write_aside(self.folder / _MADE_OF, names.canonical(made_of))

    def whole(self) -> Iterator[Record]:
        """Yield the records of the parts that are there, from the first up to a missing one."""
        number = 0
        while (record := self._record(number)) is not None:
            yield record
            number += 1

    def put(self, number: int, data: bytes, record: Record) -> None:
        """Put a part in place."""
        storage.write_aside(self.part(number), data)
        told = names.canonical(to_json(record))
        storage.write_aside(self.part(number).with_suffix(".json"), told)

    def part(self, number: int) -> Path:
        """Return where a part is."""
        return self.folder / f"{number:08}.part"

    def end(self, summary: Tree) -> None:
        """Tell of the whole output, which is in place, and remove its parts."""
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        storage.write_aside(self.summary, text.encode())
        self.remove()

    def remove(self) -> None:
        """Remove all parts, and first of all what says that they belong together."""
        (self.folder / _MADE_OF).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _record(self, number: int) -> Record | None:
        path = self.part(number)
        try:
            record = from_json(Record, _read(path.with_suffix(".json")))
            return record if path.stat().st_size == record.size else None
        except (DecodeError, FileNotFoundError):
            return None


def check_same(parts: Parts, before: Tree, now: Tree) -> None:
    """Refuse to go on with what was begun otherwise.

    Raises:
        ConfigurationError: the input, the model or what is asked of it is another by now.
    """
    differing = [
        f"{key} was {_shown(before.get(key))} and is {_shown(value)}"
        for key, value in now.items()
        if before.get(key) != value
    ]
    if differing:
        raise ConfigurationError(
            f"{parts.out} was begun otherwise: {'; '.join(differing)}. Give what it was begun with "
            "to go on, another --out, or --fresh to begin anew"
        )


def _shown(value: Any) -> str:
    return "not told" if value is None else json.dumps(value, ensure_ascii=False)


def _read(path: Path) -> Tree | None:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
