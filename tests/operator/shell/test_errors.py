"""Answers of the API server become errors, and the error's type is the retry policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mt_operator.shell.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    NameTakenError,
    NotFoundError,
    RefusedError,
    Retry,
    ThrottledError,
    UnavailableError,
    from_response,
)


def status(**fields: Any) -> bytes:
    return json.dumps({"kind": "Status", "message": "because", **fields}).encode()


TERMINATING = {"causes": [{"reason": "NamespaceTerminating"}]}


@pytest.mark.parametrize(
    ("code", "body", "header", "kind", "retry", "wait"),
    [
        pytest.param(400, status(), None, RefusedError, Retry.CHANGE, 0, id="bad request"),
        pytest.param(401, status(), None, UnavailableError, Retry.LATER, 0, id="token rotates"),
        pytest.param(403, status(), None, RefusedError, Retry.CHANGE, 0, id="forbidden"),
        pytest.param(
            403,
            status(details=TERMINATING),
            None,
            UnavailableError,
            Retry.LATER,
            0,
            id="namespace is going",
        ),
        pytest.param(404, status(), None, NotFoundError, Retry.LATER, 0, id="not found"),
        pytest.param(409, status(), None, ConflictError, Retry.NOW, 0, id="conflict"),
        pytest.param(
            409,
            status(reason="AlreadyExists"),
            None,
            AlreadyExistsError,
            Retry.NOW,
            0,
            id="exists",
        ),
        pytest.param(410, status(), None, ConflictError, Retry.NOW, 0, id="too old"),
        pytest.param(413, status(), None, RefusedError, Retry.CHANGE, 0, id="too large"),
        pytest.param(422, status(), None, RefusedError, Retry.CHANGE, 0, id="invalid"),
        pytest.param(429, status(), "7", ThrottledError, Retry.LATER, 7, id="busy, with a header"),
        pytest.param(
            429,
            status(details={"retryAfterSeconds": 3}),
            None,
            ThrottledError,
            Retry.LATER,
            3,
            id="busy, as the body says",
        ),
        pytest.param(429, b"", None, ThrottledError, Retry.LATER, 0, id="busy, without a word"),
        pytest.param(500, b"", None, UnavailableError, Retry.LATER, 0, id="broken"),
        pytest.param(
            503, b"<html>", "Wed, 21 Oct 2026", UnavailableError, Retry.LATER, 0, id="proxy's page"
        ),
        pytest.param(503, status(), "2", ThrottledError, Retry.LATER, 2, id="asks to wait"),
        pytest.param(504, b"[]", None, UnavailableError, Retry.LATER, 0, id="not an object"),
    ],
)
def test_answer_becomes(
    code: int, body: bytes, header: str | None, kind: type[ApiError], retry: Retry, wait: float
) -> None:
    error = from_response("create Job a/b", code, body, header)
    assert type(error) is kind
    assert error.retry is retry
    assert error.retry_after == wait
    assert str(error).startswith(f"create Job a/b: {code} ")


def test_message_of_the_server_is_passed_on() -> None:
    assert "because" in str(from_response("get Pod a/b", 403, status()))


def test_taken_name_waits_for_a_change() -> None:
    assert NameTakenError("x").retry is Retry.CHANGE
