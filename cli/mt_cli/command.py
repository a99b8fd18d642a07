"""What a command is: its name, its words for --help, its arguments, and what it does."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

from mt_cli.errors import Code
from mt_cli.session import Session


def nothing(parser: ArgumentParser) -> None:
    """Add no arguments."""


@dataclass(frozen=True)
class Command:
    """One command of `kubectl translation`."""

    name: str
    help: str  # one line
    run: Callable[[Session, Namespace], Code]
    examples: tuple[str, ...]
    arguments: Callable[[ArgumentParser], None] = nothing
    more: str = ""  # what --help says besides
    names: str = ""  # plural of what its first argument names, for completion


def model_name(parser: ArgumentParser) -> None:
    """Add the argument that names a model."""
    parser.add_argument("name", metavar="NAME", help="the TranslationModel")


def run_name(parser: ArgumentParser) -> None:
    """Add the argument that names a run."""
    parser.add_argument("run_name", metavar="RUN", help="the TrainingRun")
