"""``evaluate``: the test sentences through the engine that will serve, scored and compared.

  test files ─▶ candidate's translations ─┐
             └▶ baseline's translations  ─┴▶ scores, deltas with intervals ─▶ report, result

It knows no threshold: it measures what gates name, and the operator judges.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from mt_contract import names, report
from mt_contract.artifact import Manifest
from mt_contract.codec import DecodeError, from_json, to_json
from mt_contract.errors import ConfigurationError, DataError
from mt_contract.report import EvaluationResult, ReportError
from mt_contract.storage import writing
from mt_predictor import (
    attention,
    cpu,
    engine,
    evaluation_report,
    report_document,
    report_page,
    settings,
    testset,
    tracked,
    training_files,
)
from mt_predictor.comparison import Measured, measure
from mt_predictor.settings import (
    EngineSettings,
    Environment,
    EvaluationSettings,
    Located,
)
from mt_predictor.testset import Example, ExampleSet
from mt_predictor.translator import Options, TextRefusedError, Translation, Translator

_AT_ONCE = 2000  # sentences between two lines of progress
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """Everything that an evaluation depends on but the content of its test files."""

    run: str
    output: str
    folder: Path
    artifact: Located
    engine: EngineSettings
    baseline: Located | None
    baseline_engine: EngineSettings
    evaluation: EvaluationSettings
    confidence: float


def run(env: Environment) -> None:
    """Evaluate, unless the same was evaluated already, and report.

    Raises:
        ProgramError: there is no result; the message says why.
    """
    task = read_task(env)
    test = testset.read(testset.files_of(task.evaluation, env))
    inputs = inputs_digest(task, test)
    log = settings.termination_log(env)
    if (finished := evaluation_report.finished(task.folder, inputs)) is not None:
        _log.info("the same was evaluated already: its result is reported again")
        with writing():
            evaluation_report.show_gates(task.folder, to_json(task.evaluation.gates))
        report.write(finished, log)
        _print(finished)
        return
    with writing():
        evaluation_report.begin(task.folder)
    result = _evaluated(task, test, inputs, env)
    with writing():
        report.write(result, task.folder / names.EVALUATION_RESULT)
    report.write(result, log)
    _print(result)
    tracked.tell(task.folder, result.scores, env)


def read_task(env: Environment) -> Task:
    """Return what the environment asks for.

    Raises:
        ConfigurationError: a variable is missing or wrong.
    """
    output = settings.required(env, "MT_OUTPUT")
    wanted = settings.engine_settings(env)
    evaluation = settings.decoded(EvaluationSettings, env, "MT_EVALUATION")
    has_baseline = bool(env.get("MT_BASELINE", "").strip())
    baseline = settings.decoded(Located, env, "MT_BASELINE") if has_baseline else None
    return Task(
        run=settings.required(env, "MT_RUN"),
        output=output,
        folder=settings.local(output, "MT_OUTPUT", env),
        artifact=settings.decoded(Located, env, "MT_ARTIFACT"),
        engine=wanted,
        baseline=baseline,
        baseline_engine=_engine_of(baseline, wanted),
        evaluation=evaluation,
        confidence=_confidence(evaluation.confidence),
    )


def inputs_digest(task: Task, test: ExampleSet) -> str:
    """Return a digest of all that the result is a function of: no bounds of gates."""
    told = {
        "run": task.run,
        "artifact": task.artifact.digest,
        "engine": to_json(task.engine),
        "baseline": task.baseline.digest if task.baseline else None,
        "baselineEngine": to_json(task.baseline_engine),
        "evaluation": _measuring(task.evaluation),
        "files": test.digests,
    }
    return names.digest(told)


def _measuring(evaluation: EvaluationSettings) -> dict[str, Any]:
    """Return what is measured; gates only judge it, so that other bounds measure nothing anew."""
    return {key: value for key, value in to_json(evaluation).items() if key != "gates"}


@dataclass(frozen=True)
class Said:
    """What one model makes of the test sentences."""

    translations: Sequence[Translation]
    manifest: Manifest
    attention: Sequence[Mapping[str, Any]] = ()  # of a few of them


def translated(
    located: Located,
    wanted: EngineSettings,
    what: str,
    examples: Sequence[Example],
    env: Environment,
    seed: int | None = None,
) -> Said:
    """Return the translations of ``examples``; with a seed, also some attention.

    Raises:
        BadArtifactError: the artifact is not the one with that digest.
        DataError: a sentence cannot be translated.
    """
    folder = settings.local(located.uri, what, env)
    loaded = engine.load(folder, located.digest, wanted, cpu.available_threads())
    translator, options = Translator(loaded), Options(wanted.beam_size)
    done: list[Translation] = []
    for begin in range(0, len(examples), _AT_ONCE):
        texts = [example.source for example in examples[begin : begin + _AT_ONCE]]
        try:
            done += translator.translate(texts, options)
        except TextRefusedError as error:
            raise DataError(f"a test sentence cannot be translated: {error}") from error
        _log.info("%s: %d of %d sentences", what, len(done), len(examples))
    looks = () if seed is None else attention.of(translator, examples, wanted.beam_size, seed)
    return Said(done, loaded.manifest, looks)


def _evaluated(task: Task, test: ExampleSet, inputs: str, env: Environment) -> EvaluationResult:
    seed = task.evaluation.seed % 2**63
    ours = translated(task.artifact, task.engine, "MT_ARTIFACT", test.examples, env, seed)
    theirs = None
    if task.baseline is not None:
        same = task.baseline.digest == task.artifact.digest and task.baseline_engine == task.engine
        theirs = ours
        if not same:
            theirs = translated(
                task.baseline, task.baseline_engine, "MT_BASELINE", test.examples, env
            )
    measured = measure(
        test.examples,
        [one.text for one in ours.translations],
        None if theirs is None else [one.text for one in theirs.translations],
        task.evaluation,
        task.confidence,
        (ours.manifest.source_language, ours.manifest.target_language),
    )
    result = _result(task, measured)
    document = {
        **_asked(task, inputs),
        "languages": {
            "source": ours.manifest.source_language,
            "target": ours.manifest.target_language,
        },
        "model": report_document.model(ours.manifest),
        "versions": report_document.versions(),
        "test": report_document.test_files(task.evaluation.test, test.digests),
        "brokenRows": {"count": test.broken, "first": list(test.named)},
        "truncatedTranslations": sum(one.truncated for one in ours.translations),
        **report_document.measured(measured, ours.manifest.source_language, seed),
        "attention": list(ours.attention),
        **_training(task, env),
        "result": json.loads(report.encode(result)) | {"comparisons": to_json(result.comparisons)},
    }
    with writing():
        evaluation_report.write(task.folder, document, measured)
    return result


def _asked(task: Task, inputs: str) -> dict[str, Any]:
    """Return what the report says of the task."""
    told: dict[str, Any] = {
        "schemaVersion": report_page.SCHEMA_VERSION,
        "inputs": inputs,
        "run": task.run,
        "artifact": to_json(task.artifact),
        "engine": to_json(task.engine),
        "confidence": task.evaluation.confidence,
        "gates": to_json(task.evaluation.gates),
        "evaluation": report_document.shareable(_measuring(task.evaluation)),
    }
    if task.baseline is not None:
        engine_of = {"engine": to_json(task.baseline_engine)}
        told["baseline"] = to_json(task.baseline) | engine_of
    return told


def _training(task: Task, env: Environment) -> dict[str, Any]:
    """Return what the training left: in this run's folder, or else in that of the artifact."""
    model = settings.local(task.artifact.uri, "MT_ARTIFACT", env)
    folders = (task.folder, model.parent)
    return {
        "learning": training_files.learning(folders),
        "data": training_files.dataset(folders, model),
    }


def _result(task: Task, measured: Measured) -> EvaluationResult:
    baseline = None
    if task.baseline is not None:
        baseline = {"digest": task.baseline.digest, "scores": measured.baseline_scores}
    result = EvaluationResult(
        scores=measured.scores,
        comparisons=measured.comparisons,
        signatures=measured.signatures,
        examples=len(measured.examples),
        report=f"{task.output.rstrip('/')}/{evaluation_report.REPORT}",
        baseline=baseline,
    )
    try:
        report.encode(result)
    except ReportError as error:
        raise ConfigurationError(str(error)) from error
    return result


def _print(result: EvaluationResult) -> None:
    """Print what Katib reads, also where the result is an earlier attempt's."""
    for metric, value in result.scores.items():
        print(f"{metric}={value}", flush=True)


def _engine_of(baseline: Located | None, wanted: EngineSettings) -> EngineSettings:
    if baseline is None or baseline.engine is None:
        return wanted
    try:
        told = from_json(EngineSettings, baseline.engine, "MT_BASELINE.engine")
    except DecodeError as error:
        raise ConfigurationError(str(error)) from error
    return settings.checked_engine(told, "MT_BASELINE.engine")


def _confidence(text: str) -> float:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not Decimal("0.5") <= value < 1:
        raise ConfigurationError(
            f"MT_EVALUATION.confidence is {text!r}: use a number from 0.5 to below 1"
        )
    return float(value)
