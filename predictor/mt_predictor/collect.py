"""``collect``: a result that was lost with its pod is read in the run's folder and said again."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mt_contract import names, report
from mt_contract.errors import ConfigurationError, StorageError
from mt_contract.report import EvaluationResult, ReportError, TrainResult
from mt_predictor import settings
from mt_predictor.settings import Environment

_log = logging.getLogger(__name__)
_RESULTS: Mapping[str, tuple[str, type[report.Message]]] = {
    "train": (names.TRAIN_RESULT, TrainResult),
    "evaluate": (names.EVALUATION_RESULT, EvaluationResult),
}


class ResultMissingError(ConfigurationError):
    """There is no result to collect, and another look would not find one."""

    reason = "StorageUnavailable"


def run(stage: str, env: Environment) -> None:
    """Write the result of ``stage`` (train or evaluate) to the termination log.

    Raises:
        ProgramError: there is none, or storage cannot be read.
    """
    run_name = settings.required(env, "MT_RUN")
    folder = settings.local(settings.required(env, "MT_OUTPUT"), "MT_OUTPUT", env)
    file, kind = _RESULTS[stage]
    path = folder / file
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ResultMissingError(
            f"{path} does not exist: {stage} of run {run_name} left no result there; start it again"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read ({error}): try again") from error
    try:
        message = report.decode(text)
    except ReportError as error:
        raise ResultMissingError(f"{path} is {error}: start {stage} of {run_name} again") from error
    if not isinstance(message, kind):
        raise ResultMissingError(f"{path} holds a {type(message).__name__}, not a {kind.__name__}")
    report.write(message, settings.termination_log(env))
    _log.info("collected %s", path)
