"""``evaluate``: the test sentences through the engine that will serve, scored and compared.

  test files ─▶ candidate's translations ─┐
             └▶ baseline's translations  ─┴▶ scores, deltas with intervals ─▶ report, result

It knows no threshold: it measures what gates name, and the operator judges.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from mt_contract import names, report
from mt_contract.codec import DecodeError, from_json, to_json
from mt_contract.errors import ConfigurationError, DataError
from mt_contract.report import EvaluationResult, ReportError
from mt_contract.storage import writing
from mt_predictor import cpu, engine, evaluation_report, settings, testset
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
        report.write(finished, log)
        return
    with writing():
        evaluation_report.begin(task.folder)
    result = _evaluated(task, test, inputs, env)
    with writing():
        report.write(result, task.folder / names.EVALUATION_RESULT)
    report.write(result, log)
    for metric, value in result.scores.items():
        print(f"{metric}={value}", flush=True)  # Katib reads these


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
    """Return a digest of all that the result is a function of."""
    told = {
        "run": task.run,
        "artifact": task.artifact.digest,
        "engine": to_json(task.engine),
        "baseline": task.baseline.digest if task.baseline else None,
        "baselineEngine": to_json(task.baseline_engine),
        "evaluation": to_json(task.evaluation),
        "files": test.digests,
    }
    return names.digest(told)


def translated(
    located: Located,
    wanted: EngineSettings,
    what: str,
    examples: Sequence[Example],
    env: Environment,
) -> tuple[list[Translation], str]:
    """Return the translations of ``examples`` and the language they are in.

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
    return done, loaded.manifest.target_language


def _evaluated(task: Task, test: ExampleSet, inputs: str, env: Environment) -> EvaluationResult:
    ours, language = translated(task.artifact, task.engine, "MT_ARTIFACT", test.examples, env)
    theirs = None
    if task.baseline is not None:
        same = task.baseline.digest == task.artifact.digest and task.baseline_engine == task.engine
        theirs = ours
        if not same:
            theirs, _ = translated(
                task.baseline, task.baseline_engine, "MT_BASELINE", test.examples, env
            )
    measured = measure(
        test.examples,
        [one.text for one in ours],
        None if theirs is None else [one.text for one in theirs],
        task.evaluation,
        task.confidence,
        language,
    )
    result = _result(task, measured)
    truncated = sum(one.truncated for one in ours)
    document: dict[str, Any] = {
        "schemaVersion": 1,
        "inputs": inputs,
        "run": task.run,
        "artifact": to_json(task.artifact),
        "engine": to_json(task.engine),
        "confidence": task.evaluation.confidence,
        "brokenRows": {"count": test.broken, "first": list(test.named)},
        "truncatedTranslations": truncated,
        "slices": measured.slices,
        "result": json.loads(report.encode(result)) | {"comparisons": to_json(result.comparisons)},
    }
    with writing():
        evaluation_report.write(task.folder, document, result, measured)
    return result


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
