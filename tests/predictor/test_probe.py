"""The probe: what agrees, what does not, what was not answered."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_ports
from tests.predictor.builders import run_folder, sentences
from tests.predictor.running import Running, labels

from mt_contract import report
from mt_contract.errors import ConfigurationError, ProbeError, ProgramError
from mt_contract.report import ProbeResult
from mt_predictor import asking, probe
from mt_predictor.asking import HeldOut, Reply
from mt_predictor.translator import Options, Translator


def job(tmp_path: Path, url: str, **changes: str) -> dict[str, str]:
    return {
        "MT_OUTPUT": str(tmp_path / "run"),
        "MT_URL": url,
        "MT_MODEL": "toy",
        "MT_REQUESTS": "20",
        "MT_SEED": "1",
        "MT_WAIT_SECONDS": "0",
        "MT_TERMINATION_LOG": str(tmp_path / "log"),
    } | changes


def said(tmp_path: Path) -> ProbeResult:
    message = report.decode((tmp_path / "log").read_text())
    assert isinstance(message, ProbeResult)
    return message


def test_a_predictor_that_serves_what_was_evaluated_agrees(
    server: Running, translator: Translator, tmp_path: Path
) -> None:
    texts = sentences(30, seed=9)
    pairs = [
        (a, b.text) for a, b in zip(texts, translator.translate(texts, Options(2)), strict=True)
    ]
    run_folder(tmp_path, pairs)
    counted = labels("translation_synthetic_requests_total", revision="r-toy", code="200")
    before = server.metrics().get(counted, 0)
    probe.run(job(tmp_path, server.url))
    assert said(tmp_path) == ProbeResult(20, "1", 0)
    assert server.metrics()[counted] - before == 20


def test_another_model_does_not_agree(server: Running, tmp_path: Path) -> None:
    run_folder(tmp_path, [(text, "something else") for text in sentences(5)])
    probe.run(job(tmp_path, server.url))
    assert said(tmp_path) == ProbeResult(5, "0", 0)


def test_a_wrong_model_name_is_told(server: Running, tmp_path: Path) -> None:
    run_folder(tmp_path, [("ba", "do")])
    probe.run(job(tmp_path, server.url, MT_MODEL="other"))
    result = said(tmp_path)
    assert (result.requests, result.failures) == (1, 1)
    assert "status 404" in result.message
    assert "other" in result.message


def test_nobody_there(tmp_path: Path) -> None:
    run_folder(tmp_path, [("ba", "do")])
    with pytest.raises(ProbeError, match=r"could not be reached.*is the predictor ready"):
        probe.run(job(tmp_path, f"http://127.0.0.1:{free_ports(1)[0]}"))


@pytest.fixture
def flaky() -> Iterator[tuple[str, list[int]]]:
    """A server that answers with the statuses in its list, then well."""
    statuses: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            status = statuses.pop(0) if statuses else 200
            body = b'{"predictions": [{"translation": "do"}]}' if status == 200 else b"busy"
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", statuses
    server.shutdown()
    server.server_close()


def test_overload_is_waited_for(
    flaky: tuple[str, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, statuses = flaky
    statuses += [503, 502, 503]
    pauses: list[float] = []
    monkeypatch.setattr(probe.time, "sleep", pauses.append)
    run_folder(tmp_path, [("ba", "do")])
    probe.run(job(tmp_path, url, MT_WAIT_SECONDS="60"))
    assert said(tmp_path) == ProbeResult(1, "1", 0)
    assert pauses == [0.2, 0.4, 0.8]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(200, b'{"predictions": [{"translation": "a"}]}', "a", id="a translation"),
        pytest.param(200, b'{"predictions": [{"translation": ""}]}', "", id="an empty one"),
        pytest.param(200, b'{"predictions": [{"error": "too long"}]}', "too long", id="an error"),
        pytest.param(200, b'{"predictions": []}', "none of the protocol's", id="none"),
        pytest.param(200, b"<html>", "none of the protocol's", id="no JSON"),
        pytest.param(200, b"[]", "none of the protocol's", id="a list"),
        pytest.param(400, b'{"error": "send text"}', "status 400: send text", id="refused"),
    ],
)
def test_how_answers_are_read(status: int, body: bytes, expected: str) -> None:
    reply = asking.read_reply(status, body)
    if b"translation" in body:
        assert reply == Reply(expected)
    else:
        assert reply.translation is None
        assert expected in reply.problem


def test_agreement_never_rounds_up_to_all() -> None:
    held_out = [HeldOut(str(number), "same") for number in range(30_000)]
    result = probe.compare(held_out, lambda text: Reply("same" if text != "7" else "other"))
    assert result.agreement == "0.9999"


def test_the_seed_chooses() -> None:
    held_out = [HeldOut(str(number), "") for number in range(100)]
    assert probe.sample(held_out, 10, 1) == probe.sample(held_out, 10, 1)
    assert probe.sample(held_out, 10, 1) != probe.sample(held_out, 10, 2)
    assert len(probe.sample(held_out, 1000, 1)) == 100


@pytest.mark.parametrize(
    ("lines", "changes", "message"),
    [
        pytest.param(None, {}, "does not exist", id="no file"),
        pytest.param("", {}, "is empty", id="empty"),
        pytest.param("{", {}, "is damaged", id="damaged"),
        pytest.param("{}", {}, "is damaged", id="other lines"),
        pytest.param('{"source": "a", "translation": "b"}', {"MT_URL": "toy"}, "MT_URL", id="URL"),
        pytest.param("", {"MT_REQUESTS": "0"}, "MT_REQUESTS is '0'", id="no requests"),
        pytest.param("", {"MT_SEED": "x"}, "MT_SEED is 'x'", id="no seed"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, lines: str | None, changes: dict[str, str], message: str
) -> None:
    run_folder(tmp_path, [])
    file = tmp_path / "run/evaluation/translations.jsonl"
    file.unlink() if lines is None else file.write_text(lines)
    with pytest.raises(ProgramError, match=message) as caught:
        probe.run(job(tmp_path, "http://127.0.0.1:1", **changes))
    assert isinstance(caught.value, ConfigurationError)
