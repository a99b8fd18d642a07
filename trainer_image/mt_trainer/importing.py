"""An import: a model that was made elsewhere becomes an artifact, tried and put in place whole."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mt_contract import artifact, names, report, storage
from mt_contract.artifact import ArtifactError, Manifest
from mt_contract.codec import to_json
from mt_contract.errors import BadArtifactError, ConfigurationError
from mt_contract.report import TrainResult
from mt_trainer import apart, fetching, foreign, publish, source_files
from mt_trainer.import_config import Import
from mt_trainer.tracking import facts
from mt_trainer.tracking.experiment import telling
from mt_trainer.tracking.mlflow_run import MlflowRun
from mt_trainer.tracking.outbox import Outbox

IMPORT = "import.json"  # in the run's folder: what was imported, and what was found out about it
_log = logging.getLogger(__name__)


def run(asked: Import) -> TrainResult:
    """Import the model, or find that it was done, and return the result.

    Raises:
        BadArtifactError: it is no model that can be served.
        ConfigurationError: there is none, or it is of other languages.
        StorageError: it cannot be read just now, or the run's folder cannot be written.
    """
    if done := finished(asked):
        _log.info("run %s is finished already: %s", asked.run, done.artifact["digest"])
        return done
    storage.check_writable(asked.out)
    with telling(_outbox(asked)) as told:
        result = _import(asked)
        told.tell(facts.of_artifact(result.artifact, f"Imported from {asked.named}"))
    return result


def _import(asked: Import) -> TrainResult:
    folder = publish.fresh(asked.out)
    try:
        with _at_hand(asked) as source:
            found = _build(asked, source, folder)
        place = publish.publish(folder, asked.out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _log.info("imported %s: %s weights", asked.named, found.precision)
    document = names.canonical({"recipe": asked.recipe, "found": to_json(found)})
    storage.write_aside(asked.out / IMPORT, document)
    result = _result(asked, place)
    report.write(result, asked.out / names.TRAIN_RESULT)
    return result


def _outbox(asked: Import) -> Outbox | None:
    if asked.tracking is None:
        return None
    known = facts.of_run(asked.uri, asked.run, asked.languages, names.digest(asked.recipe))
    tags = facts.bounded(known | dict(asked.tracking.tags))
    parameters = facts.parameters(asked.recipe)
    run = MlflowRun(asked.tracking, asked.out, asked.run, parameters, tags)
    return Outbox(f"MLflow at {asked.tracking.tracking_uri}", run.deliver)


def finished(asked: Import) -> TrainResult | None:
    """Return the result of this very import, if it and its artifact are there."""
    try:
        document = json.loads((asked.out / IMPORT).read_bytes())
        found = report.decode((asked.out / names.TRAIN_RESULT).read_text(encoding="utf-8"))
        if not isinstance(found, TrainResult) or document["recipe"] != asked.recipe:
            return None
        artifact.verify(asked.out / names.MODEL_FOLDER, found.artifact["digest"])
    except (OSError, ValueError, KeyError, TypeError, ArtifactError):
        return None
    return found


@contextmanager
def _at_hand(asked: Import) -> Iterator[Path]:
    """Yield the model's folder; one from elsewhere is here for as long as the block takes.

    It is fetched in another process: Arrow would make a signal wait until a request is answered,
    and even the end of this process.
    """
    with tempfile.TemporaryDirectory(prefix="mt-import-") as scratch:
        try:
            yield asked.source or apart.run(
                fetching.fetch, asked.origin, asked.languages, Path(scratch)
            )
        except BadArtifactError as error:  # told of the place that the user knows
            here = str(asked.source or scratch)
            raise BadArtifactError(str(error).replace(here, asked.named)) from error


def _build(asked: Import, source: Path, folder: Path) -> foreign.Model:
    if not source.is_dir() or source.is_symlink():
        raise ConfigurationError(f"import.uri: {asked.named} is no folder that can be read")
    if (source / artifact.MANIFEST).exists():
        return _ours(asked, source, folder)
    if (source / names.MODEL_FOLDER / artifact.MANIFEST).exists():
        raise fetching.a_runs_folder(asked.named)
    return _foreign(asked, source, folder)


def _ours(asked: Import, source: Path, folder: Path) -> foreign.Model:
    """Copy an artifact as it is, so that it keeps its digest."""
    try:
        manifest = artifact.verify(source, asked.origin.digest)
        theirs = (manifest.source_language, manifest.target_language)
        if theirs != asked.languages:
            raise ConfigurationError(
                f"import.uri: the model translates {' to '.join(theirs)}, not "
                f"{' to '.join(asked.languages)}"
            )
        bounds = {name: entry.size_bytes for name, entry in manifest.files.items()}
        bounds[artifact.MANIFEST] = artifact.MAX_MANIFEST_BYTES
        source_files.copy({name: source / name for name in bounds}, bounds, folder)
        artifact.verify(folder, artifact.read_manifest(source)[1])
    except ArtifactError as error:
        raise BadArtifactError(str(error)) from error
    return foreign.examine(folder)


def _foreign(asked: Import, source: Path, folder: Path) -> foreign.Model:
    """Make an artifact of a CTranslate2 model."""
    if asked.origin.digest:
        raise ConfigurationError(
            f"import.digest is that of a {artifact.MANIFEST}, and {asked.named} has none: "
            "leave it out, or name a run's model folder"
        )
    paths = (*source.glob("*"), *(source / artifact.CTRANSLATE2).glob("*"))
    there = [path.relative_to(source).as_posix() for path in paths]
    found = source_files.find(there, asked.languages, asked.named)
    bounds = {name: source_files.most(name) for name in found}
    source_files.copy({name: source / path for name, path in found.items()}, bounds, folder)
    return _manifested(asked, foreign.examine(folder), folder)


def _manifested(asked: Import, found: foreign.Model, folder: Path) -> foreign.Model:
    artifact.write_manifest(
        folder,
        Manifest(
            source_language=asked.languages[0],
            target_language=asked.languages[1],
            recipe=asked.recipe,
            recipe_digest=names.digest(asked.recipe),
            dataset_digest="",
            max_tokens=found.max_tokens,
            run=asked.run,
            parent_run=None,
            versions=publish.versions(),
            tokens=found.tokens,
        ),
    )
    return found


def _result(asked: Import, place: Path) -> TrainResult:
    return TrainResult(
        artifact=publish.reference(asked.uri, place),
        dataset={},
        usage={"cpuSeconds": round(time.process_time()), "gpuSeconds": 0},
    )
