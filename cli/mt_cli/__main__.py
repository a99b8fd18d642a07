"""Entry point of `kubectl translation`: reads the command line, runs one command, exits."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from mt_cli.arguments import parser
from mt_cli.command import Command
from mt_cli.commands import (
    actions,
    batch,
    compare,
    doctor,
    lint,
    listing,
    logs,
    report,
    runs,
    status,
    translate,
)
from mt_cli.completion import complete
from mt_cli.connect import Connection, connect
from mt_cli.errors import CliError, Code
from mt_cli.output import Output, clean
from mt_cli.session import Session

COMMANDS: tuple[Command, ...] = (
    listing.COMMAND,
    status.COMMAND,
    runs.COMMAND,
    report.COMMAND,
    compare.COMMAND,
    logs.COMMAND,
    translate.COMMAND,
    batch.COMMAND,
    *actions.COMMANDS,
    lint.COMMAND,
    doctor.COMMAND,
)
COMPLETE = "__complete"  # what a shell asks, through bin/kubectl_complete-translation


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    if argv[:1] == [COMPLETE]:
        session = Session(lambda: connect(None, None), Output())
        print("\n".join(complete(session, COMMANDS, argv[1:])))
        return int(Code.DONE)
    args = parser(COMMANDS).parse_args(argv)

    def reach() -> Connection:
        return connect(args.kubeconfig, args.context, args.user)

    out = Output(args.output)
    return execute(Session(reach, out, args.namespace, args.all_namespaces), argv)


def execute(session: Session, argv: Sequence[str]) -> int:
    """Run one command in these surroundings and return its exit code."""
    args = parser(COMMANDS).parse_args(argv)
    commands: Mapping[str, Command] = {command.name: command for command in COMMANDS}
    try:
        return int(commands[args.command].run(session, args))
    except CliError as error:
        print(f"error: {clean(str(error))}", file=sys.stderr)
        return int(error.code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Code.DONE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
