"""What can go wrong with the API server; an error's type is its retry policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

MAX_PROSE = 300  # of an answer that is not a Status, such as a proxy's page


class Retry(Enum):
    """When a key is looked at again after an error."""

    NOW = "now"  # what was seen is outdated: observe again
    LATER = "later"  # the server needs time: back off, whatever wakes the key meanwhile
    CHANGE = "change"  # the same request fails again: back off until something changes


class ApiError(Exception):
    """A request to the API server failed; the message says which, and why."""

    retry = Retry.LATER

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        """Keep the message, and for how many seconds the server asks to be left alone."""
        super().__init__(message)
        self.retry_after = retry_after


class UnavailableError(ApiError):
    """The server cannot be reached, broke down, or does not know us at the moment."""


class ThrottledError(ApiError):
    """The server is busy and said so."""


class NotFoundError(ApiError):
    """The object, its namespace or its kind does not exist."""


class ConflictError(ApiError):
    """The object has changed since it was read."""

    retry = Retry.NOW


class AlreadyExistsError(ApiError):
    """An object of that name exists."""

    retry = Retry.NOW


class RefusedError(ApiError):
    """The server understood and refused: a missing right, a policy, a quota, an invalid object."""

    retry = Retry.CHANGE


class NameTakenError(RefusedError):
    """An object of somebody else has the name of a child."""


class NotLeadingError(Exception):
    """This process may not write (any more): another one leads."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: UnavailableError,  # a token is being rotated
    404: NotFoundError,
    409: ConflictError,
    408: UnavailableError,
    410: ConflictError,
    429: ThrottledError,
}


def from_response(what: str, status: int, body: bytes, retry_after: str | None = None) -> ApiError:
    """Return the error that an answer means.

    Args:
        what: the request, as messages name it ("create Job team-a/x").
        status: the HTTP status, 300 or above.
        body: of the answer: a Kubernetes Status, or anything.
        retry_after: the header, if there is one.
    """
    answer = _status(body)
    details = answer.get("details") or {}
    wait = _seconds(retry_after) or _seconds(details.get("retryAfterSeconds"))
    message = f"{what}: {status} {answer.get('message') or 'without a message'}"
    if status == 409 and answer.get("reason") == "AlreadyExists":
        return AlreadyExistsError(message)
    if status == 503 and wait:
        return ThrottledError(message, wait)
    if any(cause.get("reason") == "NamespaceTerminating" for cause in details.get("causes") or ()):
        return UnavailableError(message)
    kind = _BY_STATUS.get(status, UnavailableError if status >= 500 else RefusedError)
    return kind(message, wait)


def _status(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    return {"message": body[:MAX_PROSE].decode(errors="replace").strip()}


def _seconds(value: Any) -> float:
    """Return a number of seconds; a date, which Retry-After may be as well, counts as none."""
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return 0.0
