"""Experiment tracking: all is told where the server is well, and nothing waits where it is not."""

from __future__ import annotations

import itertools
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.trainer import builders, engines

from mt_contract import names
from mt_contract.errors import BadArtifactError, DivergedError
from mt_trainer import config, import_config, importing
from mt_trainer.checkpoint import Position
from mt_trainer.progress import Board
from mt_trainer.signals import StoppedError
from mt_trainer.tracker import Tracker
from mt_trainer.tracking import facts, outbox
from mt_trainer.tracking.experiment import Experiment, following
from mt_trainer.tracking.line import Line
from mt_trainer.tracking.outbox import End, Mail, Outbox

NOW = datetime(2026, 5, 4, 10, 0, 0, tzinfo=UTC)
SECONDS = 60.0  # until a test that hangs fails
FOREVER = 10**6


def line(step: int) -> Line:
    return Line(1, step, NOW + timedelta(seconds=step), {"loss": 5.0 - step / 100})


class Server:
    """Delivery that fails as often as it is told, or hangs until it is let go."""

    def __init__(self, failures: int = 0, hangs: bool = False) -> None:
        self.mails: list[Mail] = []
        self.calls = 0
        self.failures, self.hangs = failures, hangs
        self.entered, self.released = threading.Event(), threading.Event()
        self.delivered = threading.Event()

    def deliver(self, mail: Mail) -> None:
        self.entered.set()
        if self.hangs:
            assert self.released.wait(SECONDS)
        self.calls += 1
        if self.calls <= self.failures:
            raise ConnectionError("connection refused\nand much more")
        self.mails.append(mail)
        self.delivered.set()

    @property
    def steps(self) -> list[int]:
        return [line.step for mail in self.mails for line in mail.lines]

    @property
    def tags(self) -> dict[str, str]:
        return {key: value for mail in self.mails for key, value in mail.tags.items()}


def box(server: Server, kept: int = 1000) -> Outbox:
    return Outbox("MLflow at http://m", server.deliver, kept, pauses=lambda: itertools.repeat(0.0))


def test_everything_is_delivered_once_in_order_and_the_end_last() -> None:
    server = Server()
    out = box(server)
    for step in range(500):
        out.add(line(step))
        out.tell({"a": str(step)})
    out.close(End.FINISHED, SECONDS)
    assert server.steps == list(range(500))
    assert server.tags == {"a": "499"}
    assert [mail.end for mail in server.mails if mail.end] == [End.FINISHED]
    assert server.mails[-1].end


def test_failures_lose_nothing_and_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(failures=7)
    out = box(server)
    out.tell({"a": "1"})
    for step in range(200):
        out.add(line(step))
    assert server.delivered.wait(SECONDS)
    out.tell({"b": "2"})
    out.close(End.FINISHED, SECONDS)
    assert server.tags == {"a": "1", "b": "2"}
    assert server.steps == list(range(200))
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == [
        "MLflow at http://m does not answer as it should (connection refused): "
        "the training goes on, and tells it later"
    ]


def test_a_server_that_hangs_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(hangs=True)
    out = box(server, kept=100)
    assert server.entered.wait(SECONDS)
    for step in range(1000):
        out.add(line(step))
    assert out.dropped == 900
    out.close(End.FINISHED, 0.01)
    assert not server.mails, "all this happened while it hung"
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].endswith("the oldest are no longer kept for it")
    assert "not told all: 1000 lines" in messages[1]
    assert len(messages) == 2
    server.released.set()


def test_what_is_dropped_is_the_oldest() -> None:
    server = Server(hangs=True)
    out = box(server, kept=3)
    assert server.entered.wait(SECONDS)  # with nothing but the beginning
    for step in range(10):
        out.add(line(step))
    server.released.set()
    out.close(End.FINISHED, SECONDS)
    assert server.steps == [7, 8, 9]


def test_at_the_end_a_server_that_refuses_is_asked_once_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(failures=FOREVER)
    out = Outbox("M", server.deliver, pauses=lambda: itertools.repeat(SECONDS))
    assert server.entered.wait(SECONDS)
    out.add(line(1))
    out.close(End.FAILED, SECONDS)
    assert server.calls == 2, "the end cuts a pause short"
    assert "1 lines of metrics are missing" in caplog.records[-1].getMessage()


def test_a_failing_server_is_left_alone_longer_each_time() -> None:
    assert list(itertools.islice(outbox.pauses(), 8)) == [1, 2, 4, 8, 16, 32, 60, 60]


# What is told of a training.


def job(folder: Path, uri: str = "http://127.0.0.1:9", **more: Any) -> config.Job:
    out = folder / "out"
    environment = builders.environment(out) | {
        "MT_TRACKING": json.dumps({"trackingUri": uri, "experiment": "pt-en"}),
        "MT_TAGS": json.dumps({"translation.runUid": "1f0c22ab", "git (revision)": "abc"}),
        "MT_CHECKPOINT_SECONDS": "120",
    }
    out.mkdir(parents=True, exist_ok=True)
    return replace(config.from_environment(environment), progress_port=None, **more)


def test_a_recipe_is_told_field_by_field(tmp_path: Path) -> None:
    told = facts.parameters(job(tmp_path).written)
    assert told["training.architecture.layers"] == "1"
    assert told["training.optimizer.learningRate"] == "0.01"
    assert told["sourceLanguage"] == "en"
    assert told["data.train"].startswith('[{"uri":')
    assert all(0 < len(value) <= 500 for value in told.values())
    assert len(told) <= 100  # of one request


def test_tags_are_what_servers_take(tmp_path: Path) -> None:
    parent = config.Origin("pt-en-0", "pvc://m/0/model", "sha256:0")
    told = facts.tags(job(tmp_path, parent=parent))
    assert told["git _revision_"] == "abc"
    assert told["translation.run"] == told["mlflow.runName"] == "pt-en-1"
    assert told["translation.parentDigest"] == "sha256:0"
    assert "translation.nodes" not in told
    assert len(facts.bounded({"x" * 999: "y" * 9999})["x" * 250]) == 5000


def test_a_run_is_the_same_in_each_attempt_and_another_for_another_recipe(tmp_path: Path) -> None:
    one, again = job(tmp_path), job(tmp_path)
    other = replace(one, digest="sha256:other")
    identities = [facts.tags(each)[facts.IDENTITY] for each in (one, again, other)]
    assert identities[0] == identities[1] != identities[2]


def test_without_a_server_nobody_is_told(tmp_path: Path) -> None:
    before = threading.active_count()
    with following(job(tmp_path, tracking=None)) as told:
        told.add(line(1))
    with following(job(tmp_path, node=config.Node(index=1, count=2))) as told:
        told.add(line(1))  # of several nodes the first one tells
    assert threading.active_count() == before


# Servers that are not well, asked by the client library itself.


class Answer(BaseHTTPRequestHandler):
    """Answers all requests with one code, once it is let go."""

    code = 500
    go = threading.Event()
    asked = threading.Event()

    def _answer(self) -> None:
        self.asked.set()
        self.go.wait(SECONDS)
        body = json.dumps({"error_code": "PERMISSION_DENIED", "message": "no"}).encode()
        with suppress(OSError):
            self.send_response(self.code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def answering(code: int, hangs: bool = False) -> Iterator[tuple[str, type[Answer]]]:
    """Serve on a port of this machine."""
    more = {"code": code, "go": threading.Event(), "asked": threading.Event()}
    handler = type("Handler", (Answer,), more)
    if not hangs:
        handler.go.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
    finally:
        handler.go.set()
        server.shutdown()
        server.server_close()


def follow(folder: Path, told: Experiment, *steps: int) -> None:
    """Follow an attempt of these steps, each the end of an epoch."""
    training = builders.decoded().training
    with Tracker(Board(None), folder, training, (told,)) as tracker:
        for step in steps:
            position = Position(step, step=step, loss_sum=50.0 - step, tokens=10, last=3.0)
            tracker(position, True)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no busy machine decide whether a server that answers is told all."""
    monkeypatch.setattr("mt_trainer.tracking.experiment._PATIENCE", SECONDS)
    monkeypatch.setattr("mt_trainer.tracking.experiment._HASTE", SECONDS)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", f"{SECONDS:.0f}")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait long for what does not answer."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.slow
@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 503])
@pytest.mark.usefixtures("short")
def test_a_server_that_refuses_stops_nothing(
    tmp_path: Path, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    with answering(code) as (uri, handler), following(job(tmp_path, uri)) as told:
        follow(tmp_path, told, 1, 2, 3)
        assert handler.asked.wait(SECONDS)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
    assert "3 lines of metrics are missing there" in caplog.records[-1].getMessage()
    assert not (tmp_path / "out/mlflow.json").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_a_server_that_does_not_answer_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with answering(200, hangs=True) as (uri, handler):
        with following(job(tmp_path, uri)) as told:
            assert handler.asked.wait(SECONDS)
            follow(tmp_path, told, *range(1, 50))
            assert not handler.go.is_set(), "every step was done while the server was silent"
        assert "49 lines of metrics are missing there" in caplog.records[-1].getMessage()


@pytest.mark.slow
def test_a_training_succeeds_beside_a_server_that_is_down(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert train(tmp_path, uri) == 0
    assert (tmp_path / "out" / names.MODEL_FOLDER / "manifest.json").exists()


def train(folder: Path, uri: str) -> int:
    """Run the program as a Job does: a process of its own, which sets up TensorFlow for itself."""
    builders.write(folder / "train.tsv", builders.pairs(300))
    tracking = json.dumps({"trackingUri": uri, "experiment": "whole"})
    ours = {"MT_TRACKING": tracking, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment = os.environ | builders.environment(folder / "out") | ours
    command = [sys.executable, "-m", "mt_trainer", "train"]
    return subprocess.run(command, env=environment, check=False, timeout=300).returncode


# A real server.


@pytest.fixture(scope="module")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start MLflow's own server for this module."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/db.sqlite"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "log").open("wb") as log, ExitStack() as stack:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **quiet},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stack.callback(stop, server)
        wait_for_port(port, server, folder / "log")
        yield f"http://127.0.0.1:{port}"


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and its workers, which are its group."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, 15)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, 9)
        server.wait()


def wait_for_port(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until somebody listens."""
    pause = threading.Event()
    for _ in range(1200):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, log.read_text()
        pause.wait(0.1)
    raise AssertionError(log.read_text())


def runs_of(uri: str, experiment: str) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id])) if found else []


def history(uri: str, run_id: str, metric: str) -> list[tuple[int, float]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    return [(m.step, m.value) for m in client.get_metric_history(run_id, metric)]


def of_experiment(given: config.Job, name: str) -> config.Job:
    assert given.tracking
    return replace(given, tracking=replace(given.tracking, experiment=name))


@pytest.mark.slow
def test_a_whole_training_stands_in_mlflow(tmp_path: Path, mlflow_uri: str) -> None:
    assert train(tmp_path, mlflow_uri) == 0
    (run,) = runs_of(mlflow_uri, "whole")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "pt-en-1")
    assert run.data.params["training.architecture.modelDimension"] == "32"
    result = json.loads((tmp_path / "out" / names.TRAIN_RESULT).read_text())
    assert run.data.tags["translation.artifactDigest"] == result["artifact"]["digest"]
    assert run.data.tags["translation.dataDigest"] == result["dataset"]["digest"]
    assert run.data.tags["mlflow.note.content"].startswith("# Translation from en to eo")
    lines = [json.loads(x) for x in (tmp_path / "out/metrics.jsonl").read_text().splitlines()]
    assert len(lines) >= 2
    for name in lines[-1].keys() - {"epoch", "step", "time"}:
        assert history(mlflow_uri, run.info.run_id, name) == [
            (line["step"], line[name]) for line in lines if name in line
        ]
    assert "system/cpu_utilization_percentage" in lines[-1]
    known = json.loads((tmp_path / "out/mlflow.json").read_text())
    assert (known["runId"], known["trackingUri"]) == (run.info.run_id, mlflow_uri)
    link = f"{mlflow_uri}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert f"| tracked | {link} |" in (tmp_path / "out/MODEL_CARD.md").read_text()


def forget(folder: Path) -> None:
    (folder / "out/mlflow.json").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    "between",
    [
        pytest.param(lambda _: None, id="it remembers the run"),
        pytest.param(forget, id="the run is found by its tag"),
    ],
)
def test_attempts_share_one_run(
    tmp_path: Path,
    mlflow_uri: str,
    between: Callable[[Path], None],
    request: pytest.FixtureRequest,
) -> None:
    given = of_experiment(job(tmp_path, mlflow_uri), request.node.name)
    with suppress(StoppedError), following(given) as told:
        follow(tmp_path, told, 10, 20, 30)
        raise StoppedError
    (run,) = runs_of(mlflow_uri, request.node.name)
    assert run.info.status == "KILLED"
    between(tmp_path)
    with following(given) as told:  # from the checkpoint of step 20
        follow(tmp_path, told, 25, 30, 35)
    (again,) = runs_of(mlflow_uri, request.node.name)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    steps = [step for step, _ in history(mlflow_uri, run.info.run_id, "loss")]
    assert steps == [10, 20, 30, 35]
    assert again.data.tags["translation.runUid"] == "1f0c22ab"


@pytest.mark.slow
def test_a_failure_is_told_with_its_reason(tmp_path: Path, mlflow_uri: str) -> None:
    given = of_experiment(job(tmp_path, mlflow_uri), "failing")
    with pytest.raises(DivergedError), following(given):
        raise DivergedError("the loss ran away")
    (run,) = runs_of(mlflow_uri, "failing")
    assert run.info.status == "FAILED"
    assert run.data.tags["translation.reason"] == "Diverged"
    assert run.data.tags["translation.message"] == "the loss ran away"


@pytest.mark.slow
def test_another_recipe_in_the_same_folder_is_another_run(tmp_path: Path, mlflow_uri: str) -> None:
    given = of_experiment(job(tmp_path, mlflow_uri), "recipes")
    other: Mapping[str, Any] = {**given.written, "sourceLanguage": "fr"}
    for each in (given, replace(given, digest="sha256:other", written=other)):
        with following(each) as told:
            follow(tmp_path, told, 1)
    assert {r.data.params["sourceLanguage"] for r in runs_of(mlflow_uri, "recipes")} == {"en", "fr"}


@pytest.mark.slow
def test_an_import_stands_in_mlflow(tmp_path: Path, mlflow_uri: str) -> None:
    source = engines.write(tmp_path / "source", source=engines.tokenizer())
    asked = import_config.from_command_line(str(source), tmp_path / "out", "pt-en")
    asked = replace(asked, tracking=config.Tracking(mlflow_uri, "imports", {"why": "a test"}))
    result = importing.run(asked)
    (source / "model.bin").write_bytes(b"")
    with pytest.raises(BadArtifactError):
        importing.run(replace(asked, run="other", out=tmp_path / "other", uri="other"))
    runs = {run.info.run_name: run for run in runs_of(mlflow_uri, "imports")}
    assert (runs["out"].info.status, runs["other"].info.status) == ("FINISHED", "FAILED")
    assert runs["out"].data.params["import.uri"] == str(source)
    assert runs["out"].data.tags["translation.artifactDigest"] == result.artifact["digest"]
    assert runs["out"].data.tags["why"] == "a test"
    assert runs["other"].data.tags["translation.reason"] == "ArtifactInvalid"
