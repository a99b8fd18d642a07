"""``mt-trainer import``: a model that was made elsewhere becomes an artifact."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mt_contract.errors import ConfigurationError
from mt_contract.report import Message
from mt_trainer import import_config
from mt_trainer.signals import Stopper

HELP = "make an artifact of a model that was made elsewhere"
EXAMPLES = """
examples:
  mt-trainer import models/opus-pt-en --out runs/opus --languages pt-en
                      a CTranslate2 folder (model.bin, config.json, vocabularies) with its
                      SentencePiece models (one for both languages, or source.spm and target.spm)
  mt-trainer import runs/first/model --out runs/copy --languages pt-en
                      an artifact, verified and copied as it is
  mt-trainer import s3://models/pt-en --out runs/pt-en --languages pt-en
                      either of them in a bucket (s3://, gs://) or on the Hub
                      (hf://<owner>/<name>[@<revision>][/<folder>]), or packed as .tar.gz,
                      .tar.zst, .tar or .zip behind an https:// URL
  mt-trainer import   in a Job; MT_IMPORT, MT_LANGUAGES, MT_RUN and MT_OUTPUT say what

the model is tried before it is put in place: bin/mt-predictor translates and evaluates with it.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "source",
        nargs="?",
        help="folder or URI of the model; without one, the environment says what to do",
    )
    parser.add_argument("--out", type=Path, help="folder of this import (with a source)")
    parser.add_argument("--languages", help="of source and target, as pt-en (with a source)")


def run(options: argparse.Namespace, stopper: Stopper) -> Message | None:
    """Import, and return the result.

    Raises:
        ProgramError: with the reason for the user.
    """
    # Not at the top: --help answers at once.
    from mt_trainer import importing

    if len({bool(value) for value in (options.source, options.out, options.languages)}) > 1:
        raise ConfigurationError(
            "a source, --out and --languages belong together; in a Job none of them is given"
        )
    if not options.source:
        return importing.run(import_config.from_environment(os.environ))
    asked = import_config.from_command_line(options.source, options.out, options.languages)
    return importing.run(asked)
