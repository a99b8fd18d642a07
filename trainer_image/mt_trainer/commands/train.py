"""``mt-trainer train``: a recipe becomes an artifact."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from mt_contract.errors import ConfigurationError
from mt_contract.report import Message
from mt_trainer import config
from mt_trainer.signals import Stopper

HELP = "train a model and publish it as an artifact"
EXAMPLES = """
examples:
  mt-trainer train recipe.yaml --out runs/first   on this machine; the model is runs/first/model
  mt-trainer train recipe.yaml --out runs/second --start-from runs/first/model
                                                  begins with that model's weights and vocabulary
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
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "recipe",
        nargs="?",
        type=Path,
        help="a recipe file; without one, the environment says what to do",
    )
    parser.add_argument("--out", type=Path, help="folder of this training (with a recipe file)")
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="MODEL",
        help="a run's model folder, whose weights and vocabulary to begin with",
    )


def run(options: argparse.Namespace, stopper: Stopper) -> Message | None:
    """Train, and return the result.

    Raises:
        ProgramError: with the reason for the user.
    """
    # Not at the top: --help answers at once.
    from mt_trainer import pipeline, warm_start

    if bool(options.recipe) != bool(options.out) or (options.start_from and not options.recipe):
        raise ConfigurationError(
            "a recipe file and --out belong together, and --start-from to them; in a Job none of "
            "them is given"
        )
    if options.recipe:
        job = config.from_file(options.recipe, options.out, os.environ)
        if options.start_from:
            job = replace(job, parent=warm_start.origin(options.start_from))
    else:
        job = config.from_environment(os.environ)
    return pipeline.run(job, stopper)
