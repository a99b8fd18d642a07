"""What stands before inference: bounds, disconnects and counting, around a stand-in application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mt_predictor import guard
from mt_predictor.features import DEFAULT_BOUNDS
from mt_predictor.guard import Draining, Guard, Message
from mt_predictor.metrics import Metrics

Body = Callable[[bytes], Awaitable[int]]


class Client:
    """One connection to a guarded application."""

    def __init__(self, respond: Body, draining: bool = False) -> None:
        self.registry = CollectorRegistry()
        self.sent: list[Message] = []
        self.bodies: list[bytes] = []
        self._respond = respond
        metrics = Metrics(self.registry, "r-1", DEFAULT_BOUNDS)
        self.guard = Guard(self._app, metrics, Draining(draining))

    async def _app(self, scope: Message, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        self.bodies.append(body)
        self.guard_send = send
        status = await self._respond(body)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def post(
        self, pieces: Iterable[bytes], *, path: str = "/v1/models/m:predict", **headers: str
    ) -> None:
        """Send a body in pieces, and stay connected; a piece of None hangs up."""
        messages: asyncio.Queue[Message] = asyncio.Queue()
        for piece in pieces:
            messages.put_nowait({"type": "http.request", "body": piece, "more_body": True})
        messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        await self.exchange(messages, path, **headers)

    async def exchange(
        self, messages: asyncio.Queue[Message], path: str = "/v1/models/m:predict", **headers: str
    ) -> None:
        raw = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": path, "headers": raw}

        async def send(message: Message) -> None:
            self.sent.append(message)

        await self.guard(scope, messages.get, send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent[1:]).decode()

    def counted(self, code: int, name: str = "translation_requests_total") -> float:
        labels = {"revision": "r-1", "code": str(code)}
        return self.registry.get_sample_value(name, labels) or 0.0

    def in_progress(self) -> float | None:
        return self.registry.get_sample_value("translation_requests_in_progress")


async def fine(_: bytes) -> int:
    return 200


async def test_a_body_arrives_whole_and_the_answer_names_the_revision() -> None:
    client = Client(fine)
    await client.post([b"a", b"b"])
    assert client.bodies == [b"ab"]
    assert client.status == 200
    assert client.headers == {b"x-translation-revision": b"r-1"}
    assert client.counted(200) == 1
    assert client.in_progress() == 0


async def test_while_draining_the_client_is_told_to_go_elsewhere() -> None:
    client = Client(fine, draining=True)
    await client.post([b"a"])
    assert client.headers[b"connection"] == b"close"


async def test_a_probe_is_counted_apart() -> None:
    client = Client(fine)
    await client.post([b"a"], x_translation_synthetic="true")
    assert client.counted(200) == 0
    assert client.counted(200, "translation_synthetic_requests_total") == 1


async def test_what_is_no_inference_is_neither_read_nor_counted() -> None:
    client = Client(fine)
    await client.post([b"a"], path="/v2/repository/models/m/load")
    assert client.counted(200) == 0


@pytest.mark.parametrize(
    ("pieces", "headers"),
    [
        pytest.param([b"x"], {"content_length": "4194305"}, id="announced"),
        pytest.param([b"x" * 1_000_000] * 5, {}, id="in pieces, unannounced"),
        pytest.param(
            [b"x" * 1_000_000] * 5, {"content_length": "nonsense"}, id="announced wrongly"
        ),
    ],
)
async def test_a_large_body_is_refused_unread(pieces: list[bytes], headers: dict[str, str]) -> None:
    client = Client(fine)
    await client.post(pieces, **headers)
    assert client.status == 413
    assert "larger than 4,194,304 bytes: send fewer" in client.text
    assert client.headers[b"connection"] == b"close"
    assert client.bodies == []
    assert client.counted(413) == 1


async def test_bodies_at_once_are_bounded_and_room_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "MAX_BYTES_IN_FLIGHT", 10)
    release = asyncio.Event()

    async def slow(_: bytes) -> int:
        await release.wait()
        return 200

    client = Client(slow)
    first = asyncio.create_task(client.post([b"12345678"]))
    await asyncio.sleep(0)
    await client.post([b"12345678"])
    assert client.status == 503
    assert client.headers[b"retry-after"] == b"1"
    client.sent.clear()
    release.set()
    await first
    assert client.status == 200
    client.sent.clear()
    await client.post([b"12345678"])
    assert client.status == 200


async def test_requests_at_once_are_bounded_whatever_their_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "MAX_REQUESTS", 1)
    client = Client(fine)
    slow: asyncio.Queue[Message] = asyncio.Queue()
    first = asyncio.create_task(client.exchange(slow))
    await asyncio.sleep(0)
    await client.post([b"a"])
    assert client.status == 503
    assert client.headers[b"retry-after"] == b"1"
    assert client.headers[b"connection"] == b"close"
    slow.put_nowait({"type": "http.disconnect"})
    await first
    client.sent.clear()
    await client.post([b"a"])
    assert client.status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b"[" + b"{}," * 99_999 + b"{}]", {}, 413, id="a hundred thousand objects"),
        pytest.param(b'["' + b"{}," * 99_999 + b'"]', {}, 200, id="a text that looks like it"),
        pytest.param(
            b"[1]" + b"{}," * 99_999,
            {"inference_header_content_length": "3"},
            200,
            id="a binary tensor that looks like it",
        ),
    ],
)
async def test_what_would_be_large_in_memory_is_refused_unparsed(
    body: bytes, headers: dict[str, str], status: int
) -> None:
    client = Client(fine)
    await client.post([body], **headers)
    assert client.status == status
    assert (client.bodies == []) == (status == 413)


async def test_a_large_answer_counts_until_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_BYTES_IN_FLIGHT", 100_000)
    reads, waits = asyncio.Event(), asyncio.Event()
    sent: list[Message] = []

    async def large(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 200_000})

    async def slow_reader(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            waits.set()
            await reads.wait()
        sent.append(message)

    client = Client(fine)
    client.guard._app = large
    scope = {"type": "http", "method": "POST", "path": "/v2/models/m/infer", "headers": []}
    whole: asyncio.Queue[Message] = asyncio.Queue()
    whole.put_nowait({"type": "http.request", "body": b"a", "more_body": False})
    answering = asyncio.create_task(client.guard(scope, whole.get, slow_reader))
    await waits.wait()
    client.guard._app = client._app
    await client.post([b"b"])
    assert client.status == 503
    reads.set()
    await answering
    assert b"".join(message.get("body", b"") for message in sent) == b"x" * 200_000
    client.sent.clear()
    await client.post([b"b"])
    assert client.status == 200


async def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.0)
    client = Client(fine)
    await client.exchange(asyncio.Queue())
    assert client.status == 408
    assert "did not arrive" in client.text


async def test_work_for_a_client_that_hung_up_is_cancelled() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def endless(_: bytes) -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return 200

    client = Client(endless)
    messages: asyncio.Queue[Message] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b"a", "more_body": False})
    task = asyncio.create_task(client.exchange(messages))
    await begun.wait()
    messages.put_nowait({"type": "http.disconnect"})
    await task
    assert cancelled.is_set()
    assert client.sent == []
    assert client.counted(499) == 1


async def test_a_client_that_hangs_up_while_it_sends() -> None:
    client = Client(fine)
    messages: asyncio.Queue[Message] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b"a", "more_body": True})
    messages.put_nowait({"type": "http.disconnect"})
    await client.exchange(messages)
    assert client.counted(499) == 1
    assert client.bodies == []


@pytest.mark.parametrize("prefix", ["translation", "translation_synthetic"])
@pytest.mark.parametrize("begun", [False, True], ids=["unanswered", "half answered"])
async def test_every_fault_of_ours_is_counted(prefix: str, begun: bool) -> None:
    async def broken(_: bytes) -> int:
        if begun:
            await client.guard_send({"type": "http.response.start", "status": 200})
        raise ValueError

    client = Client(broken)
    marked = {"x_translation_synthetic": "true"} if "synthetic" in prefix else {}
    await client.post([b"a"], **marked)
    assert client.counted(500, f"{prefix}_requests_total") == 1
    assert client.counted(200, f"{prefix}_requests_total") == 0


async def test_a_fault_of_ours_is_500_and_tells_no_text(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(body: bytes) -> int:
        raise ValueError(body.decode())

    client = Client(broken)
    await client.post([b"secret"])
    assert client.status == 500
    assert client.counted(500) == 1
    assert "secret" not in client.text
    assert "secret" not in caplog.text
    assert "ValueError" in caplog.text
