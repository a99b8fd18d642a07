"""Blocks as rich renders them on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text as RichText

from mt_cli.output import Block, Cell, Facts, Table, Text, cell


def console(stream: TextIO) -> Console:
    """Return a console that writes to ``stream`` and reads no markup in what it is given."""
    return Console(file=stream, markup=False, highlight=False, emoji=False)


def rendered(blocks: Sequence[Block]) -> Group:
    """Return blocks one below the other, with a line between."""
    parts: list[RenderableType] = []
    for block in blocks:
        parts += [RichText("")] if parts else []
        parts.append(_rendered(block))
    return Group(*parts)


def _rendered(block: Block) -> RenderableType:
    if isinstance(block, Text):
        return _text(Cell(block.text, block.mood))
    if isinstance(block, Facts):
        grid = RichTable.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column()
        for name, value in block.pairs:
            if cell(value).text:
                grid.add_row(RichText(name), _text(value))
        return _titled(block.title, grid)
    if not block.rows:
        return _titled(block.title, _text(block.empty))
    return _titled(block.title, _table(block))


def _table(block: Table) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1))
    last = len(block.columns) - 1
    for number, name in enumerate(block.columns):
        table.add_column(RichText(name.upper()), no_wrap=number < last, overflow="fold")
    for row in block.rows:
        table.add_row(*(_text(value) for value in row))
    return table


def _titled(title: str, body: RenderableType) -> RenderableType:
    return Group(RichText(title, style="bold"), body) if title else body


def _text(value: str | Cell) -> RichText:
    found = cell(value)
    return RichText(found.text, style=found.mood.value)
