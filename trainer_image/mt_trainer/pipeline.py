"""A training from beginning to end: data, vocabulary, network, artifact, result."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece

from mt_contract import artifact, names, report, storage
from mt_contract.errors import DataError
from mt_contract.report import TrainResult
from mt_trainer import (
    apart,
    backend,
    card,
    data,
    describe,
    device,
    divergence,
    encoded,
    profile,
    publish,
    samples,
    tokenizer,
    warm_start,
)
from mt_trainer.checkpoint import Position, Store
from mt_trainer.config import Job
from mt_trainer.data import Corpus
from mt_trainer.encoded import Encoded
from mt_trainer.progress import Board
from mt_trainer.signals import Stopper
from mt_trainer.tracker import Tracker
from mt_trainer.tracking import facts, mlflow_run
from mt_trainer.tracking.experiment import Experiment, following
from mt_trainer.tracking.system import Meter
from mt_trainer.train import Plan

_CHECKPOINTS = "checkpoints"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Text:
    """The corpus as the network takes it."""

    corpus: Corpus
    vocabulary: bytes
    processor: sentencepiece.SentencePieceProcessor
    train: Encoded
    validation: Encoded
    profile: dict[str, Any]  # profile.json
    document: dict[str, Any]  # dataset.json


def run(job: Job, stopper: Stopper) -> TrainResult | None:
    """Do the whole training, or find that it was done, and return its result.

    Of several nodes the first one writes and returns it; the others return None.

    Raises:
        ProgramError: with the reason for the user.
        StoppedError: the process was asked to end; the next attempt goes on from here.
        OSError: the run's folder cannot be written.
    """
    done = finished(job)
    if done:
        _log.info("run %s is finished already: %s", job.run, done.artifact["digest"])
        return done if job.node.leads else None
    if not job.node.leads:
        _help(job, stopper)
        return None
    storage.check_writable(job.out)
    if job.parent and not (job.out / _CHECKPOINTS).exists():
        warm_start.find(job.parent, job.recipe)  # before the data is read, which may take long
    board = Board(job.progress_port)
    try:
        with tempfile.TemporaryDirectory(prefix="mt-trainer-") as folder, following(job) as told:
            text = prepare(job, Path(folder))
            told.tell(facts.of_data(text.document))
            result = _train_and_publish(job, text, board, stopper, told)
            report.write(result, job.out / names.TRAIN_RESULT)  # before anybody is waited for
    finally:
        board.close()
    return result


def _help(job: Job, stopper: Stopper) -> None:
    """Train as one of the nodes that write nothing."""
    with tempfile.TemporaryDirectory(prefix="mt-trainer-") as folder:
        text = prepare(job, Path(folder))
        backend.on_jax(_work(job, text, lambda position, ended: None, stopper), job.node)


def finished(job: Job) -> TrainResult | None:
    """Return the result of this very run and recipe, if it and its artifact are there."""
    try:
        found = report.decode((job.out / names.TRAIN_RESULT).read_text(encoding="utf-8"))
        if not isinstance(found, TrainResult):
            return None
        manifest = artifact.verify(job.out / names.MODEL_FOLDER, found.artifact["digest"])
    except (OSError, report.ReportError, artifact.ArtifactError, KeyError):
        return None
    parent = job.parent and job.parent.digest
    made = (manifest.run, manifest.recipe_digest, manifest.parent_digest)
    return found if made == (job.run, job.digest, parent) else None


def prepare(job: Job, folder: Path) -> Text:
    """Read, check and tokenise the text into ``folder``, and describe it in ``dataset.json``.

    Raises:
        DataError: a file is broken, or a check is violated.
        ConfigurationError: the vocabulary cannot be made as the recipe asks.
    """
    training = job.recipe.training
    max_tokens = training.architecture.max_tokens
    checks = job.recipe.data.checks
    corpus = data.prepare(job.files, checks, max_tokens, training.seed, folder)
    limit = None if checks.max_divergence is None else float(checks.max_divergence)
    told = describe.text(corpus, job.previous, limit)
    _keep(job, told)
    divergence.check(told["divergence"])
    vocabulary = _vocabulary(job, corpus)
    processor = tokenizer.load(vocabulary)
    train = encoded.encode(corpus.train, processor, max_tokens, folder / "train.tokens")
    validation = encoded.encode(
        corpus.validation, processor, max_tokens, folder / "validation.tokens"
    )
    for name, part in (("training", train), ("validation", validation)):
        if not part.pairs:
            raise DataError(
                f"every {name} pair has a side of more than {max_tokens - 1} tokens: raise "
                "training.architecture.maxTokens, "
                "or split the text into sentences"
            )
    size = processor.vocab_size()
    wanted = size if job.parent else training.vocabulary.size
    features = profile.profile(train)
    document = describe.dataset(corpus, told, train, validation, features, size, wanted)
    document["anomalies"][:0] = warm_start.notes(job)
    _keep(job, document)
    _log.info(
        "%d pairs, %d rejected; %d for validation",
        train.pairs,
        document["rejectedPairs"],
        validation.pairs,
    )
    return Text(corpus, vocabulary, processor, train, validation, features, document)


def _keep(job: Job, document: Mapping[str, Any]) -> None:
    if job.node.leads:
        written = json.dumps(document, indent=1, ensure_ascii=False).encode()
        storage.retried(lambda: storage.write_aside(job.out / names.DATASET, written))


def _vocabulary(job: Job, corpus: Corpus) -> bytes:
    """Return the vocabulary of this training: an earlier attempt's, the parent's, or a new one."""
    path = job.out / _CHECKPOINTS / f"vocabulary-{_identity(job, corpus)[:8]}.model"
    if path.exists():
        return path.read_bytes()
    training = job.recipe.training
    if job.parent:
        made = warm_start.find(job.parent, job.recipe).vocabulary
    else:
        made = tokenizer.train(corpus.train, training.vocabulary, training.seed)
    if job.node.leads:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.retried(lambda: storage.write_aside(path, made))
    return made


def _identity(job: Job, corpus: Corpus) -> str:
    """Return what a checkpoint must share to be gone on from: recipe, data, and where it began."""
    parent = [job.parent.digest] if job.parent else []
    return names.short(job.digest, corpus.digest, *parent, length=16)


def _train_and_publish(
    job: Job, text: Text, board: Board, stopper: Stopper, told: Experiment
) -> TrainResult:
    tracker = Tracker(board, job.out, job.recipe.training, (told,), Meter().read)
    work = _work(job, text, tracker, stopper)
    jax = backend.is_jax(os.environ, job.node)
    with tracker:
        tracker.expect(work.plan.steps_in_epoch)
        ended = backend.on_jax(work, job.node) if jax else backend.on_tensorflow(work)
    weights = work.store.best()
    assert weights is not None, "an epoch that ended left its weights"
    trained = publish.Trained(
        weights=weights["mean"],
        vocabulary=text.vocabulary,
        profile=text.profile,
        dataset_digest=text.corpus.digest,
        samples=samples.of(text.corpus),
    )
    place = apart.on_tensorflow(_export, job, trained) if jax else _export(job, trained)
    position = ended.position
    result = _result(job, text, position, place, ended.gpus)
    subject = card.Subject(
        job,
        text.document,
        position,
        result.artifact,
        publish.versions(),
        tracker.history(),
        mlflow_run.link(job.out),
    )
    storage.write_aside(job.out / "MODEL_CARD.md", card.text(subject).encode())
    told.tell(facts.of_artifact(result.artifact, card.body(subject)))
    return result


def _work(
    job: Job, text: Text, report: Callable[[Position, bool], None], stopper: Stopper
) -> backend.Work:
    """Return what is to be learned, on whatever that is done."""
    training, size = job.recipe.training, text.processor.vocab_size()
    plan = Plan(
        training, text.train, text.validation, job.checkpoint_seconds, stopper.event, report
    )
    return backend.Work(
        plan=plan,
        vocabulary=size,
        store=Store(job.out / _CHECKPOINTS, _identity(job, text.corpus)),
        facts={
            "recipe": job.digest,
            "text": text.corpus.digest,
            "vocabulary": names.digest(text.vocabulary.hex()),
        },
        start=lambda store: warm_start.weights(job, store, size),
        stopper=stopper,
    )


def _export(job: Job, trained: publish.Trained) -> Path:
    """Publish what was learned, and return the artifact's place."""
    device.full_precision()
    return publish.publish(publish.build(job, trained), job.out)


def _result(job: Job, text: Text, position: Position, place: Path, gpus: int) -> TrainResult:
    return TrainResult(
        artifact=publish.reference(job.uri, place),
        dataset={
            key: text.document[key] for key in ("digest", "pairs", "rejectedPairs", "anomalies")
        },
        metrics={"loss": f"{position.best_training:.4f}", "validationLoss": f"{position.best:.4f}"},
        usage={
            "cpuSeconds": round(position.cpu_seconds),
            "gpuSeconds": round(position.seconds * gpus),
        },
    )
