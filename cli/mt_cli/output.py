"""How answers look: tables on a terminal, plain lines elsewhere, JSON and YAML for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

import yaml

# Characters that would steer a terminal; messages and logs may come from anywhere.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Mood(StrEnum):
    """How a cell is meant; a terminal shows it as a colour."""

    PLAIN = ""
    GOOD = "green"
    BAD = "bold red"
    WARN = "yellow"
    NOW = "bold cyan"
    FAINT = "dim"


@dataclass(frozen=True)
class Cell:
    """A text, and how it is meant."""

    text: str
    mood: Mood = Mood.PLAIN


@dataclass(frozen=True)
class Table:
    """Rows under headings; without any row, ``empty`` is said instead."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    title: str = ""
    empty: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and what they are, a line each; what is empty is left out."""

    pairs: tuple[tuple[str, str | Cell], ...]
    title: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    mood: Mood = Mood.PLAIN


Block = Table | Facts | Text


@dataclass(frozen=True)
class Answer:
    """What a command found: for programs a value, for people blocks."""

    value: Any
    blocks: tuple[Block, ...]


def listed(items: Sequence[Any]) -> Any:
    """Return objects as kubectl lists them: ``{"items": [...]}`` of kind List."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def cell(value: str | Cell) -> Cell:
    """Return a text as a cell, without what would steer a terminal."""
    found = value if isinstance(value, Cell) else Cell(value)
    return Cell(clean(found.text), found.mood)


def clean(text: str) -> str:
    """Return ``text`` without control characters, but for tabs and line ends."""
    return _CONTROL.sub("�", text)


def plain(blocks: Sequence[Block]) -> list[str]:
    """Return blocks as lines: columns are separated by at least two spaces."""
    lines: list[str] = []
    for block in blocks:
        if lines and lines[-1]:
            lines.append("")
        lines += _plain(block)
    return lines


def _plain(block: Block) -> list[str]:
    if isinstance(block, Text):
        return clean(block.text).split("\n")
    title = [f"{block.title}:"] if block.title else []
    if isinstance(block, Facts):
        pairs = [(name, cell(value).text) for name, value in block.pairs if cell(value).text]
        return title + _aligned([(f"{name}:", text.replace("\n", " ")) for name, text in pairs])
    if not block.rows:
        return title + ([clean(block.empty)] if block.empty else [])
    rows = [tuple(cell(value).text.replace("\n", " ") for value in row) for row in block.rows]
    heads = tuple(name.upper() for name in block.columns)
    return title + _aligned([heads, *((*(text or "-" for text in row),) for row in rows)])


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def machine(value: Any, form: str) -> str:
    """Return ``value`` as JSON or YAML."""
    if form == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120).rstrip()


@dataclass(frozen=True)
class Output:
    """Where answers go, and in which form."""

    form: str = "table"  # table | json | yaml
    stream: TextIO = sys.stdout

    @property
    def is_terminal(self) -> bool:
        """Return whether a person looks at a terminal."""
        return self.form == "table" and self.stream.isatty()

    def show(self, answer: Answer) -> None:
        """Write an answer."""
        if self.form != "table":
            self.line(machine(answer.value, self.form))
        elif self.is_terminal:
            from mt_cli.terminal import console, rendered  # rich is not needed elsewhere

            console(self.stream).print(rendered(answer.blocks))
        else:
            self.line("\n".join(plain(answer.blocks)))

    def line(self, text: str) -> None:
        """Write a line, at once."""
        print(text, file=self.stream, flush=True)

    def note(self, text: str) -> None:
        """Write a line for people; programs that read JSON or YAML do not get it."""
        if self.form == "table":
            self.line(clean(text))
