"""The command line: trains, and ends with the exit code and message that the operator acts on."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mt_contract import report
from mt_contract.names import ExitCode
from mt_contract.report import Failure, Message
from mt_trainer import config, storage
from mt_trainer.errors import TrainerError
from mt_trainer.signals import Stopper

_log = logging.getLogger("mt_trainer")
_EXAMPLES = """
examples:
  mt-trainer train recipe.yaml --out runs/first   on this machine; the model is runs/first/model
  mt-trainer train                                in a Job; MT_RECIPE, MT_RUN, MT_OUTPUT … say what

the smallest recipe.yaml (every field of a TranslationModel's sourceLanguage, targetLanguage, data
and training is known; what is left out gets the same defaults as in a cluster; relative paths are
relative to the file):
  sourceLanguage: pt
  targetLanguage: en
  data:
    train: [{uri: train.tsv.gz}]      # source<TAB>target, one pair a line, UTF-8
    test: [{uri: test.tsv}]           # optional: kept out of training

interrupted, it goes on from its last checkpoint when it is called again with the same --out.
exit codes: 0 done · 2 bad configuration · 3 bad data · 4 the loss ran away · 5 the folder cannot be
written · 1 a fault of ours
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.recipe) != bool(options.out):
        parser.error("a recipe file and --out belong together; in a Job neither is given")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    stopper = Stopper()
    stopper.install()
    message, code = _train(options, stopper)
    if message:
        report.write(message, options.termination_log)
    if isinstance(message, Failure):
        _log.error("%s: %s", message.reason, message.message)
    return code


def _train(options: argparse.Namespace, stopper: Stopper) -> tuple[Message | None, int]:
    """Return the message for the operator, and the exit code."""
    # Not at the top: --help answers at once.
    from mt_trainer import pipeline
    from mt_trainer.train import StoppedError

    try:
        if options.recipe:
            job = config.from_file(options.recipe, options.out, os.environ)
        else:
            job = config.from_environment(os.environ)
        return pipeline.run(job, stopper), ExitCode.DONE
    except StoppedError as stopped:
        _log.info("%s", stopped)
        return None, stopper.code
    except OSError as error:
        return _failure(storage.unavailable(error))
    except TrainerError as error:
        return _failure(error)
    except Exception as error:
        _log.exception("a fault of the trainer")
        return Failure(
            "InternalError", f"{type(error).__name__}: {error} (the log has the details)"
        ), 1


def _failure(error: TrainerError) -> tuple[Failure, int]:
    return Failure(error.reason, str(error)), error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mt-trainer",
        description="Trains a Transformer that translates.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser(
        "train",
        help="train a model and publish it as an artifact",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument(
        "recipe",
        nargs="?",
        type=Path,
        help="a recipe file; without one, the environment says what to do",
    )
    train.add_argument("--out", type=Path, help="folder of this training (with a recipe file)")
    train.add_argument(
        "--termination-log", type=Path, default=report.TERMINATION_LOG, help=argparse.SUPPRESS
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
