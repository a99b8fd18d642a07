"""What a shell may complete, in the protocol of kubectl's plugins.

A word a line, then ``:`` and a number that says whether files may stand there, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mt_cli.arguments import parser_of
from mt_cli.command import Command
from mt_cli.errors import CliError
from mt_cli.session import Session
from mt_contract.names import API_VERSION

FILES, NO_FILES = ":0", ":4"
WITH_NAMESPACE = ("-n", "--namespace")


@dataclass(frozen=True)
class Line:
    """A command line that is being typed; ``last`` is the word that is not complete."""

    words: tuple[str, ...]
    last: str

    @property
    def namespace(self) -> str | None:
        """Return the namespace that is named on it."""
        for before, word in zip(self.words, self.words[1:], strict=False):
            if before in WITH_NAMESPACE:
                return word
        return None


def complete(session: Session, commands: Sequence[Command], typed: Sequence[str]) -> list[str]:
    """Return what the last of the typed words may become, and the number."""
    line = Line(tuple(typed[:-1]), typed[-1] if typed else "")
    known: Mapping[str, Command] = {command.name: command for command in commands}
    if not line.words:
        return [*_matching(known, line.last), NO_FILES]
    command = known.get(line.words[0])
    if command is None:
        return [NO_FILES]
    options = _options(command)
    before = options.get(line.words[-1])
    if before is not None and before.nargs != 0:
        return [*_matching(before.choices or (), line.last), _files(before)]
    if line.last.startswith("-"):
        return [*_matching(options, line.last), NO_FILES]
    if not command.names:
        return [FILES]
    return [*_matching(_names(session, command, line), line.last), NO_FILES]


def _matching(words: Iterable[str], start: str) -> Iterator[str]:
    return (word for word in words if word.startswith(start))


def _options(command: Command) -> dict[str, argparse.Action]:
    # argparse offers no other way to ask which options there are.
    return dict(parser_of(command)._option_string_actions)


def _files(option: argparse.Action) -> str:
    return FILES if option.metavar == "FILE" else NO_FILES


def _names(session: Session, command: Command, line: Line) -> list[str]:
    """Return the names of models or runs; none where the cluster is out of reach."""
    try:
        namespace = line.namespace or session.connection.namespace
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/{command.names}"
        return [
            str(item["metadata"]["name"]) for item in session.connection.kube.get(path)["items"]
        ]
    except CliError:
        return []
