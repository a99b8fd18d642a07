"""The command line: what all commands share, and the parser made from the commands themselves."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from mt_cli.command import Command
from mt_cli.errors import Code

PROGRAM = "kubectl translation"
DESCRIPTION = "Look at TranslationModels and TrainingRuns, act on them, check them beforehand."


class Parser(argparse.ArgumentParser):
    """A parser whose errors end with what to do."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and end."""
        print(f"error: {message}. See `{self.prog} --help`.", file=sys.stderr)
        raise SystemExit(int(Code.USAGE))


def shared() -> Parser:
    """Return the options that every command has."""
    parser = Parser(add_help=False)
    group = parser.add_argument_group("where and how")
    group.add_argument("-n", "--namespace", metavar="NAME", help="not given: the context's")
    group.add_argument("-A", "--all-namespaces", action="store_true", help="in all namespaces")
    group.add_argument("--context", metavar="NAME", help="of the kubeconfig")
    group.add_argument("--kubeconfig", metavar="FILE", help="not given: KUBECONFIG, ~/.kube/config")
    group.add_argument("--as", dest="user", metavar="USER", help="act for somebody else")
    group.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "yaml"),
        default="table",
        help="table: colours on a terminal, plain lines elsewhere (default)",
    )
    return parser


def parser(commands: Sequence[Command]) -> Parser:
    """Return the parser of all commands."""
    codes = "\n".join(f"  {int(code)}  {code.meaning}" for code in Code)
    whole = Parser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    common = shared()
    for command in commands:
        part = parts.add_parser(command.name, help=command.help, **_texts(command, common))
        command.arguments(part)
    return whole


def parser_of(command: Command, alone: bool = False) -> Parser:
    """Return the parser of one command; ``alone``: without what every command has."""
    texts = _texts(command, shared())
    if alone:
        texts |= {"parents": [], "add_help": False}
    part = Parser(prog=f"{PROGRAM} {command.name}", **texts)
    command.arguments(part)
    return part


def _texts(command: Command, common: Parser) -> dict[str, Any]:
    examples = "\n".join(f"  {PROGRAM} {example}" for example in command.examples)
    return {
        "description": _sentence(command),
        "epilog": f"examples:\n{examples}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "parents": [common],
    }


def _sentence(command: Command) -> str:
    first = command.help[0].upper() + command.help[1:] + "."
    return f"{first}\n{command.more}" if command.more else first
