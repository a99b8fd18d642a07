"""Scores reach the experiment tracker of the training, and nothing that it does matters."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mt_predictor import tracked

SCORES = {"chrF": "48.2000", "EmptyFraction": "0.000000"}


@contextmanager
def server(code: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """Serve on a port of this machine, and keep what comes."""
    came: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            came.append((self.path, self.headers.get("Authorization"), body))
            self.send_response(code)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{found.server_address[1]}", came
    finally:
        found.shutdown()
        found.server_close()


def note(folder: Path, uri: str) -> None:
    (folder / "mlflow.json").write_text(json.dumps({"trackingUri": uri, "runId": "abc"}))


@pytest.mark.parametrize(
    ("env", "authorization"),
    [
        pytest.param({}, None, id="an open server"),
        pytest.param({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t", id="a token"),
        pytest.param(
            {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"},
            "Basic dTpw",
            id="a user and a password",
        ),
    ],
)
def test_scores_are_told_at_once(
    tmp_path: Path, env: Mapping[str, str], authorization: str | None
) -> None:
    with server() as (uri, came):
        note(tmp_path, uri + "/")
        tracked.tell(tmp_path, SCORES, env)
    ((path, authorized, body),) = came
    assert (path, authorized) == ("/api/2.0/mlflow/runs/log-batch", authorization)
    assert body["run_id"] == "abc"
    assert {m["key"]: m["value"] for m in body["metrics"]} == {"chrF": 48.2, "EmptyFraction": 0.0}


@pytest.mark.parametrize(
    ("arrange", "words"),
    [
        pytest.param(lambda folder: None, "", id="nobody tracks"),
        pytest.param(
            lambda folder: note(folder, "http://127.0.0.1:9"), "is not told", id="a server down"
        ),
        pytest.param(
            lambda folder: note(folder, "file:///etc"), "cannot be used", id="no server's address"
        ),
        pytest.param(
            lambda folder: (folder / "mlflow.json").write_text("[1]"),
            "cannot be used",
            id="a broken note",
        ),
    ],
)
def test_nothing_comes_of_a_tracker_that_is_not_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, arrange: Any, words: str
) -> None:
    arrange(tmp_path)
    tracked.tell(tmp_path, SCORES, {})
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == bool(words)
    assert words in "".join(told)


def test_a_refusal_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with server(403) as (uri, came):
        note(tmp_path, uri)
        tracked.tell(tmp_path, SCORES, {})
    assert len(came) == 1
    assert "403" in caplog.text
