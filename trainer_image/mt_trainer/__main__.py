"""The command line: trains, and ends with the exit code and message that the operator acts on."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from mt_contract import report, storage
from mt_contract.errors import ProgramError
from mt_contract.names import ExitCode
from mt_contract.report import Failure, Message
from mt_trainer.signals import StoppedError, Stopper

_log = logging.getLogger("mt_trainer")
_COMMANDS = {
    "train": "train",
    "inspect": "inspect",
    "import": "import_model",
}  # each a module in commands/
_EXIT_CODES = """
exit codes: 0 done · 2 bad configuration · 3 bad data · 4 the loss ran away · 5 storage cannot be
written or read · 6 one of several nodes is missing · 1 a fault of ours
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    stopper = Stopper()
    stopper.install()
    message, code = _run(options, stopper)
    if message:
        report.write(message, options.termination_log)
    if isinstance(message, Failure):
        _log.error("%s: %s", message.reason, message.message)
    return code


def _run(options: argparse.Namespace, stopper: Stopper) -> tuple[Message | None, int]:
    """Return the message for the operator, and the exit code."""
    try:
        return options.run(options, stopper), ExitCode.DONE
    except StoppedError as stopped:
        _log.info("%s", stopped)
        return None, stopper.code
    except OSError as error:
        return _failure(storage.unavailable(error))
    except ProgramError as error:
        return _failure(error)
    except Exception as error:
        if stopper.code:  # a library met the exit that a signal began, and made its own error of it
            _log.info("stopped by a signal")
            return None, stopper.code
        _log.exception("a fault of the trainer")
        return Failure(
            "InternalError", f"{type(error).__name__}: {error} (the log has the details)"
        ), ExitCode.INTERNAL


def _failure(error: ProgramError) -> tuple[Failure, int]:
    return Failure(error.reason, str(error)), error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mt-trainer",
        description="Trains a Transformer that translates, or takes over one.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, place in _COMMANDS.items():
        module = import_module(f"mt_trainer.commands.{place}")
        command = commands.add_parser(
            name,
            help=module.HELP,
            epilog=module.EXAMPLES + _EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(command)
        command.add_argument(
            "--termination-log", type=Path, default=report.TERMINATION_LOG, help=argparse.SUPPRESS
        )
        command.set_defaults(run=module.run)
    return parser


def end(code: int) -> NoReturn:
    """End the process, also where JAX would wait for nodes that are lost, and abort in the end."""
    jax = sys.modules.get("jax")
    if jax and jax.distributed.is_initialized():
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as ended:  # by a signal, or by what the command line asks for
        code = int(ended.code or 0)
    end(code)
