"""What a command ends with: exit codes that scripts can rely on, and errors that say what to do."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Exit codes; ``meaning`` is what the documentation says of each."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Code:
        """Make a member that carries its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "done"
    ERROR = 1, "something failed: the cluster is out of reach, an answer made no sense"
    USAGE = 2, "the command line makes no sense"
    NOT_FOUND = 3, "there is no such model, run, revision or file"
    NOT_NOW = 4, "the thing is not in a state for that, or the operator ignored the action"
    FINDINGS = 5, "`lint` or `doctor` found a problem"
    FORBIDDEN = 6, "you may not: a right is missing, or an admission policy refused it"
    TIMEOUT = 7, "`--wait` ran out of time"


class CliError(Exception):
    """Ends the command: what is wrong, where, and what to do."""

    def __init__(self, message: str, code: Code = Code.ERROR) -> None:
        super().__init__(message)
        self.code = code


class ApiError(CliError):
    """The API server refused a request."""

    def __init__(self, status: int, message: str, code: Code = Code.ERROR) -> None:
        super().__init__(message, code)
        self.status = status
