"""``translate``: a text or a few, on a laptop."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from mt_contract.errors import DataError
from mt_predictor import cpu, engine, settings
from mt_predictor.settings import Environment
from mt_predictor.translator import Options, TextRefusedError, Translator


def run(arguments: argparse.Namespace, env: Environment) -> None:
    """Print the translation of each text, one a line.

    Raises:
        ProgramError: the artifact cannot be loaded, or a text cannot be translated.
    """
    wanted = settings.engine_settings(env)
    if arguments.beam_size is not None:
        wanted = replace(wanted, beam_size=arguments.beam_size)
        settings.checked_engine(wanted, "--beam-size, engine")
    loaded = engine.load(Path(arguments.model), None, wanted, cpu.available_threads())
    translator, options = Translator(loaded), Options(wanted.beam_size)
    try:
        for text in arguments.text or (line.rstrip("\n") for line in sys.stdin):
            print(translator.translate([text], options)[0].text, flush=True)
    except (TextRefusedError, UnicodeDecodeError) as error:
        raise DataError(f"a text cannot be translated: {error}") from error
