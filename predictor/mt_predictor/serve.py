"""``serve``: verify the artifact, load it, translate once, and only then listen."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from time import monotonic

from mt_contract import names
from mt_contract.errors import ConfigurationError
from mt_predictor import cpu, engine, settings
from mt_predictor.settings import Environment
from mt_predictor.translator import Translator

DRAIN_SECONDS = 5.0
_log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace, env: Environment) -> None:
    """Serve until SIGTERM.

    Raises:
        ProgramError: the artifact or the configuration is not one that can be served.
    """
    begun = monotonic()
    wanted, serving = settings.engine_settings(env), settings.serving_settings(env)
    drain = drain_seconds(env)
    folder = Path(arguments.model_dir or env.get("MT_MODEL_DIR") or names.MODEL_DIR)
    digest = env.get("MT_ARTIFACT_DIGEST") or None
    loaded = engine.load(folder, digest, wanted, cpu.available_threads())
    translator = Translator(loaded)
    translator.warm_up(wanted.beam_size)
    _log.info("verified, loaded and warm after %.2f s", monotonic() - begun)
    # pandas, which the SDK imports, would import Arrow: 30 MB and half a second, for nothing here.
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    # Imported late: a corrupt artifact is refused before the SDK's second of imports.
    from mt_predictor.listen import listen

    listen(arguments, env, translator, wanted, serving, drain)


def drain_seconds(env: Environment) -> float:
    """Return how long to go on answering after SIGTERM before the port is closed."""
    text = env.get("MT_DRAIN_SECONDS") or str(DRAIN_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 600:
        raise ConfigurationError(f"MT_DRAIN_SECONDS is {text!r}: use a number from 0 to 600")
    return seconds
