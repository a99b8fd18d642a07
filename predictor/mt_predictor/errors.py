"""The ways in which a program ends without a result: each has the reason the operator reads."""

from __future__ import annotations

from mt_contract.names import ExitCode

INTERNAL = 1  # the exit code of what nobody foresaw; the Job's pod is retried


class PredictorError(Exception):
    """A failure with a message for the user: what is wrong, where, and what to do."""

    reason = "InternalError"
    exit_code = INTERNAL


class ConfigurationError(PredictorError):
    """Arguments or environment ask for what cannot be done: it would fail again."""

    reason = "ConfigurationInvalid"
    exit_code = ExitCode.BAD_CONFIGURATION


class BadArtifactError(PredictorError):
    """The artifact is not the one that was asked for, or not one that this engine loads."""

    reason = "ArtifactInvalid"
    exit_code = ExitCode.BAD_CONFIGURATION


class DataError(PredictorError):
    """Test data is missing, empty or broken."""

    reason = "DataInvalid"
    exit_code = ExitCode.BAD_DATA


class StorageError(PredictorError):
    """Storage cannot be read or written just now: another attempt may succeed."""

    reason = "StorageUnavailable"
    exit_code = ExitCode.STORAGE


class ProbeError(PredictorError):
    """A revision could not be asked at all."""

    reason = "ProbeFailed"
