"""Refusals that carry their HTTP status, and the one place that turns exceptions into answers.

The SDK answers most exceptions with 500, validation errors with 422, and logs each with its stack.
A message says what to send; none repeats the request's text.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import grpc  # type: ignore[import-untyped]  # it ships no types
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from grpc_interceptor.exceptions import GrpcException
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from starlette.exceptions import HTTPException

_log = logging.getLogger(__name__)
RETRY_AFTER_SECONDS = 1


class RequestRefused(GrpcException):
    """A request that is not carried out."""

    http_status = 400
    status_code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, message: str) -> None:
        super().__init__(details=message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class BadRequest(RequestRefused):
    """The client has to send something else."""


class TooLarge(RequestRefused):
    """The client has to send less at once."""

    http_status = 413
    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED


class NotFound(RequestRefused):
    """There is no such thing here."""

    http_status = 404
    status_code = grpc.StatusCode.NOT_FOUND


class Forbidden(RequestRefused):
    """Nobody may do this through the endpoint."""

    http_status = 403
    status_code = grpc.StatusCode.PERMISSION_DENIED


class Overloaded(RequestRefused):
    """Too much is waiting: the client may come back after ``retry_after`` seconds."""

    http_status = 503
    status_code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, message: str, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        super().__init__(f"{message}: come back in {retry_after} s, or add replicas")
        self.retry_after = retry_after


class EngineFailed(RequestRefused):
    """A fault of ours."""

    http_status = 500
    status_code = grpc.StatusCode.INTERNAL


def answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an error as the endpoint answers it: ``{"error": …}``."""
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    return JSONResponse({"error": message}, status, {**retry, **(headers or {})})


async def refused(_: Request, error: Exception) -> JSONResponse:
    """Answer our own refusals."""
    assert isinstance(error, RequestRefused)  # it is registered for nothing else
    late = {"Retry-After": str(error.retry_after)} if isinstance(error, Overloaded) else None
    return answer(error.http_status, error.message, late)


async def not_valid(_: Request, error: Exception) -> JSONResponse:
    """Answer what FastAPI could not parse: where and why, without the value."""
    assert isinstance(error, RequestValidationError)
    found = faults(error.errors())
    return answer(400, f'not an inference request ({found}): send {{"inputs": […]}}')


def faults(errors: Sequence[Mapping[str, Any]]) -> str:
    """Return where and why pydantic refuses a document, without its values."""
    found = (f"{'.'.join(map(str, fault['loc']))[:64]}: {fault['msg']}" for fault in errors[:4])
    return "; ".join(found)


async def wrong_input(_: Request, error: Exception) -> JSONResponse:
    """Answer what the SDK refused."""
    return answer(400, str(error))


async def not_found(_: Request, error: Exception) -> JSONResponse:
    """Answer a wrong model name."""
    return answer(404, f"{error} GET /v1/models lists what is served here.")


async def not_ready(_: Request, error: Exception) -> JSONResponse:
    """Answer a readiness probe while the server drains."""
    return answer(503, str(error))


async def by_status(_: Request, error: Exception) -> JSONResponse:
    """Answer an unknown path or method, in our shape."""
    assert isinstance(error, HTTPException)
    return answer(error.status_code, str(error.detail), error.headers)


async def not_offered(_: Request, error: Exception) -> JSONResponse:
    """Answer a verb of the protocol that this server does not have."""
    return answer(501, str(error) or "this server does not offer that")


async def unforeseen(_: Request, error: Exception) -> JSONResponse:
    """Answer a fault of ours, without its message: it may hold a user's text."""
    log_unforeseen(error)
    return answer(500, "internal error: see the predictor's log")


def log_unforeseen(error: Exception) -> None:
    """Log type and stack of ``error``, not its message."""
    stack = "".join(traceback.format_tb(error.__traceback__))
    _log.error("unforeseen %s\n%s", type(error).__name__, stack)


def register(app: FastAPI) -> None:
    """Make ``app`` answer every exception as above."""
    # A redirect to the path without a slash would name http://, also to who came over TLS.
    app.router.redirect_slashes = False
    app.add_exception_handler(RequestRefused, refused)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(InvalidInput, wrong_input)
    app.add_exception_handler(ModelNotFound, not_found)
    app.add_exception_handler(ModelNotReady, not_ready)
    app.add_exception_handler(ServerNotReady, not_ready)
    app.add_exception_handler(NotImplementedError, not_offered)
    app.add_exception_handler(HTTPException, by_status)
    app.add_exception_handler(Exception, unforeseen)
