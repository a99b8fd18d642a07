"""The subcommand at work: what translates, and what becomes of each file."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from importlib import metadata
from pathlib import Path

from mt_contract import artifact
from mt_contract.artifact import ArtifactError
from mt_contract.errors import BadArtifactError, ProgramError
from mt_predictor import cpu, engine, settings
from mt_predictor.bulk.plan import plan
from mt_predictor.bulk.run import Model, Surroundings, run
from mt_predictor.bulk.stopping import Stop
from mt_predictor.bulk.window import Check, Translate
from mt_predictor.cpu import Threads
from mt_predictor.settings import EngineSettings, Environment
from mt_predictor.translator import Options, Translator

_WINDOWS = 8  # workers of the engine for each further window under way
_IN_RECIPES = "spec.data"


def batch(arguments: argparse.Namespace, env: Environment) -> None:
    """Translate each input, and print its summary.

    Raises:
        ProgramError: one cannot be; those before it are done.
        SystemExit: it was asked to stop.
    """
    stop = Stop()
    stop.install()
    model = _model(arguments, env)
    around = Surroundings(stop, time.monotonic, arguments.fresh)
    try:
        asked = plan(arguments.inputs, arguments.out, arguments.format, arguments.field, env)
        for work in asked:
            print(json.dumps(run(work, model, around), ensure_ascii=False), flush=True)
    except ProgramError as error:
        raise _in_own_words(error) from error


def _in_own_words(error: ProgramError) -> ProgramError:
    """Return an error whose advice is about a recipe with what stands for it here."""
    if _IN_RECIPES not in str(error):
        return error
    return type(error)(f"{error} (here: INPUT, --format and --field)")


def _model(arguments: argparse.Namespace, env: Environment) -> Model:
    wanted = settings.engine_settings(env)
    if arguments.beam_size is not None:
        wanted = replace(wanted, beam_size=arguments.beam_size)
        settings.checked_engine(wanted, "--beam-size, engine")
    folder = settings.local(arguments.model, "--model", env)
    try:
        _, digest = artifact.read_manifest(folder)
    except ArtifactError as error:
        raise BadArtifactError(str(error)) from error
    digest = env.get("MT_ARTIFACT_DIGEST") or digest
    return Model(_told(digest, wanted), cache(partial(_load, folder, digest, wanted)))


def _told(digest: str, wanted: EngineSettings) -> Mapping[str, object]:
    return {
        "model": digest,
        "engine": wanted.engine,
        "precision": wanted.precision,
        "beamSize": wanted.beam_size,
        "release": metadata.version(wanted.engine.lower()),
    }


def _load(folder: Path, digest: str, wanted: EngineSettings) -> tuple[Translate, Check, int]:
    """Return what translates; every core is a worker of its own, as nobody waits for one batch."""
    given = cpu.available_threads()
    workers = given.inter * given.intra
    loaded = Translator(engine.load(folder, digest, wanted, Threads(workers, 1)))
    translate = partial(loaded.translate, options=Options(wanted.beam_size))
    return translate, loaded.prepare, 2 + workers // _WINDOWS
