"""The ways in which a program of ours ends without a result: a reason, an exit code, a message.

The operator reads the reason, Kubernetes the exit code (it decides whether the pod is tried again),
a person the message: what is wrong, where, and what to do.
"""

from __future__ import annotations

from mt_contract.names import ExitCode


class ProgramError(Exception):
    """A failure with a message for the user; as it is, one that nobody foresaw."""

    reason = "InternalError"
    exit_code = ExitCode.INTERNAL


class ConfigurationError(ProgramError):
    """What is asked for cannot be done; another attempt would fail the same way."""

    reason = "ConfigurationInvalid"
    exit_code = ExitCode.BAD_CONFIGURATION


class BadArtifactError(ProgramError):
    """A model is not the one that was asked for, or not one that this release reads."""

    reason = "ArtifactInvalid"
    exit_code = ExitCode.BAD_CONFIGURATION


class DataError(ProgramError):
    """Text is missing, empty or broken, or violates a check."""

    reason = "DataInvalid"
    exit_code = ExitCode.BAD_DATA


class DivergedError(ProgramError):
    """The loss ran away twice, the second time at half the rate."""

    reason = "Diverged"
    exit_code = ExitCode.DIVERGED


class StorageError(ProgramError):
    """Storage cannot be read or written just now; another attempt may succeed."""

    reason = "StorageUnavailable"
    exit_code = ExitCode.STORAGE


class NodesError(ProgramError):
    """The nodes that train together did not all come, or one was lost; another attempt may do."""

    reason = "NodeLost"
    exit_code = ExitCode.NODE_LOST


class ParityError(ProgramError):
    """What was exported does not translate as the trained model does; it was not published."""

    reason = "ArtifactInvalid"


class ProbeError(ProgramError):
    """A revision could not be asked at all."""

    reason = "ProbeFailed"
