"""The ways in which a training fails: each carries the reason and exit code for the operator."""

from __future__ import annotations

from mt_contract.names import ExitCode


class TrainerError(Exception):
    """A failure with a message for the user: what is wrong, where, and what to do."""

    reason = "InternalError"
    exit_code = 1


class ConfigurationError(TrainerError):
    """What is asked for cannot be done; another attempt would fail the same way."""

    reason = "ConfigurationInvalid"
    exit_code = ExitCode.BAD_CONFIGURATION


class DataError(TrainerError):
    """A file is broken, or the data violates a check of the recipe."""

    reason = "DataInvalid"
    exit_code = ExitCode.BAD_DATA


class DivergedError(TrainerError):
    """The loss ran away twice, the second time at half the rate."""

    reason = "Diverged"
    exit_code = ExitCode.DIVERGED


class StorageError(TrainerError):
    """The output cannot be written or the input not read just now; another attempt may succeed."""

    reason = "StorageUnavailable"
    exit_code = ExitCode.STORAGE


class ParityError(TrainerError):
    """What was exported does not translate as the trained model does; it was not published."""

    reason = "ArtifactInvalid"
