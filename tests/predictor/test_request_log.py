"""Which requests are logged, as what events, and that nobody waits for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cloudevents.http import from_http
from kserve import InferInput, InferOutput, InferRequest, InferResponse

from mt_contract.errors import ConfigurationError
from mt_predictor.guard import Message
from mt_predictor.request_log import over_grpc
from mt_predictor.request_log.events import Body, Event, Kind, Origin, event
from mt_predictor.request_log.log import RequestLog
from mt_predictor.request_log.outbox import Bounds, Outcome
from mt_predictor.request_log.over_http import Recorder
from mt_predictor.request_log.settings import RequestLogSettings, request_log_settings

REQUEST, RESPONSE = Kind.REQUEST.value, Kind.RESPONSE.value
ORIGIN = Origin("pt-en-4c1f-predictor-x7k2p", "pt-en-4c1f", "team-a", "pt-en", "r-4c1f")
AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
LATER = AT.replace(second=1)
PREDICT, INFER = "/v1/models/pt-en:predict", "/v2/models/pt-en/infer"


class Told:
    """A request log whose events are kept: nothing is sent."""

    def __init__(self, chance: float = 0.0, bounds: Bounds | None = None, **settings: Any) -> None:
        self.counts = dict.fromkeys(Outcome, 0)
        self.log = RequestLog(
            RequestLogSettings("http://sink", **settings),
            ORIGIN,
            self._count,
            bounds=bounds,
            chance=lambda: chance,
            now=lambda: AT,
        )

    def _count(self, outcome: Outcome, events: int) -> None:
        self.counts[outcome] += events

    async def events(self) -> list[Event]:
        found: list[Event] = []

        async def deliver(one: Event) -> Outcome:
            found.append(one)
            return Outcome.SENT

        async with self.log._outbox.emptied(deliver):
            pass
        return found

    async def types(self) -> list[str]:
        return [one.headers["ce-type"].rpartition(".")[2] for one in await self.events()]


async def exchange(
    log: RequestLog,
    pieces: tuple[bytes, ...] = (b'{"instances": ', b'["ola"]}'),
    *,
    path: str = PREDICT,
    status: int = 200,
    answer: tuple[bytes, ...] = (b'{"predictions": ', b"[]}"),
    read: bool = True,
    headers: Mapping[str, str] | None = None,
) -> list[Message]:
    """Pass one request by a recorder; return what the client was sent."""
    waiting = [
        {"type": "http.request", "body": piece, "more_body": more}
        for piece, more in zip(pieces, [True] * (len(pieces) - 1) + [False], strict=True)
    ]
    sent: list[Message] = []

    async def app(_: Message, receive: Any, send: Any) -> None:
        while read and (await receive())["more_body"]:
            pass
        kind = [(b"Content-Type", b"application/json; v=1")]
        await send({"type": "http.response.start", "status": status, "headers": kind})
        for number, piece in enumerate(answer, 1):
            more = number < len(answer)
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(key.encode(), value.encode("latin-1")) for key, value in (headers or {}).items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": raw}
    await Recorder(app, log)(scope, receive, send)
    return sent


def test_an_event_has_every_attribute_of_those_of_kserve() -> None:
    body = Body(b'{"instances": []}', "application/json")
    made = event(ORIGIN, Kind.REQUEST, "id-1", body, AT, LATER)
    assert made.headers == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-type": "org.kubeflow.serving.inference.request",
        "ce-source": "pt-en-4c1f-predictor-x7k2p",
        "ce-id": "id-1",
        "ce-time": "2026-03-01T12:00:00.250000Z",
        "ce-recordedtime": "2026-03-01T12:00:01.250000Z",
        "ce-inferenceservicename": "pt-en-4c1f",
        "ce-namespace": "team-a",
        "ce-component": "predictor",
        "ce-endpoint": "",
        "ce-metadata": "{}",
        "ce-annotations": '{"translation.kubeflow.org/model": "pt-en", '
        '"translation.kubeflow.org/revision": "r-4c1f"}',
    }
    read = from_http(dict(made.headers), made.body)
    assert (read["id"], read["type"], read.data) == ("id-1", REQUEST, {"instances": []})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param("text/plain", "text/plain", id="what the client says"),
        pytest.param("", "application/json", id="nothing said"),
        pytest.param("a\r\nce-id: 2", "application/json", id="another header in it"),
        pytest.param("text/plain; x=é", "application/json", id="not ASCII"),
        pytest.param("x" * 257, "application/json", id="too long"),
    ],
)
def test_a_content_type_that_no_header_can_hold_is_not_told(given: str, told: str) -> None:
    made = event(ORIGIN, Kind.REQUEST, "id-1", Body(b"", given), AT, AT)
    assert made.headers["content-type"] == told


async def test_both_events_of_an_exchange_have_one_id_and_the_bodies_as_they_were_sent() -> None:
    told = Told()
    sent = await exchange(told.log, headers={"Content-Type": "application/json"})
    first, second = await told.events()
    assert first.headers["ce-id"] == second.headers["ce-id"] != ""
    assert (first.headers["ce-type"], second.headers["ce-type"]) == (REQUEST, RESPONSE)
    assert first.body == b'{"instances": ["ola"]}'
    assert second.body == b'{"predictions": []}'
    assert second.headers["content-type"] == "application/json; v=1"
    assert [message["type"] for message in sent] == [
        "http.response.start",
        "http.response.body",
        "http.response.body",
    ]


async def test_ids_differ_unless_the_client_chose_one() -> None:
    told = Told(mode="Request")
    for headers in ({}, {}, {"Ce-Id": "chosen"}, {"ce-id": "é" * 9}):
        await exchange(told.log, headers=headers)
    ids = [one.headers["ce-id"] for one in await told.events()]
    assert len(set(ids)) == 4
    assert ids[2] == "chosen"
    assert ids[3].isascii()


@pytest.mark.parametrize(
    ("mode", "request_", "types"),
    [
        pytest.param("All", {}, ["request", "response"], id="all"),
        pytest.param("Request", {}, ["request"], id="requests"),
        pytest.param("Response", {}, ["response"], id="answers"),
        pytest.param("All", {"path": INFER}, ["request", "response"], id="V2"),
        pytest.param("All", {"status": 400}, ["request"], id="refused: no answer, as in KServe"),
        pytest.param("Response", {"status": 503}, [], id="shed"),
        pytest.param("All", {"read": False}, ["response"], id="a body that nobody read"),
        pytest.param("All", {"path": "/v2/models/pt-en/load"}, [], id="no inference"),
        pytest.param(
            "All", {"headers": {"X-Translation-Synthetic": "true"}}, [], id="the operator's own"
        ),
    ],
)
async def test_what_is_logged(mode: str, request_: dict[str, Any], types: list[str]) -> None:
    told = Told(mode=mode)
    await exchange(told.log, **request_)
    assert await told.types() == types


@pytest.mark.parametrize(
    ("sample", "chance", "logged"),
    [
        pytest.param("0.1", 0.05, True, id="chosen"),
        pytest.param("0.1", 0.1, False, id="not chosen"),
        pytest.param("0", 0.0, False, id="none"),
        pytest.param("1", 0.999, True, id="all"),
    ],
)
async def test_a_sample_has_whole_exchanges(sample: str, chance: float, logged: bool) -> None:
    told = Told(chance, sample=Decimal(sample))
    await exchange(told.log)
    assert len(await told.events()) == (2 if logged else 0)


async def test_binary_data_says_where_its_json_ends() -> None:
    told = Told(mode="Request")
    binary = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": "2",
    }
    await exchange(told.log, (b"{}\x01\x00\x00\x00a",), path=INFER, headers=binary)
    (found,) = await told.events()
    assert found.body == b"{}\x01\x00\x00\x00a"
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["ce-inferenceheadercontentlength"] == "2"


def grpc_request(data: list[bytes], shape: int, **more: Any) -> InferRequest:
    tensor = InferInput("text", [shape], "BYTES", data)
    return InferRequest("pt-en", [tensor], "42", from_grpc=True, **more)


async def over_grpc_(told: Told, request: InferRequest, **headers: str) -> Any:
    outputs = [
        InferOutput("translation", [1], "BYTES", ["olé"]),
        InferOutput("score", [1], "FP32", [-0.5]),
    ]

    async def answering() -> tuple[Any, dict[str, str]]:
        return InferResponse("42", "pt-en", outputs, from_grpc=True), {}

    return await over_grpc.recorded(told.log, request, headers, answering())


async def test_grpc_is_told_as_the_json_of_v2() -> None:
    told = Told()
    await over_grpc_(told, grpc_request(["olá".encode(), b"\xff"], 2))
    first, second = await told.events()
    assert json.loads(first.body) == {
        "id": "42",
        "inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["olá", "\ufffd"]}],
    }
    assert json.loads(second.body) == {
        "model_name": "pt-en",
        "id": "42",
        "outputs": [
            {"name": "translation", "shape": [1], "datatype": "BYTES", "data": ["olé"]},
            {"name": "score", "shape": [1], "datatype": "FP32", "data": [-0.5]},
        ],
    }
    assert first.headers["ce-id"] == second.headers["ce-id"]
    assert first.headers["content-type"] == "application/json"


async def test_grpc_that_makes_no_sense_is_told_and_passed_on() -> None:
    told = Told()
    answer, _ = await over_grpc_(told, grpc_request([b"a"], 7))
    assert answer.model_name == "pt-en"
    assert json.loads((await told.events())[0].body)["inputs"][0]["data"] == []


async def test_grpc_of_the_operator_is_not_told() -> None:
    told = Told()
    await over_grpc_(told, grpc_request([b"a"], 1), **{"x-translation-synthetic": "true"})
    assert await told.events() == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("{", "is not JSON", id="no JSON"),
        pytest.param('{"mode": "All"}', "sink: is required", id="no sink"),
        pytest.param('{"sink": "ftp://a"}', "sink is no address", id="another scheme"),
        pytest.param('{"sink": "http://"}', "sink is no address", id="no host"),
        pytest.param('{"sink": "http://a:99999"}', "sink is no address", id="no port"),
        pytest.param('{"sink": "http://a", "mode": "None"}', "use one of All, ", id="no mode"),
        pytest.param('{"sink": "http://a", "sample": "1.5"}', "from 0 to 1", id="no share"),
    ],
)
def test_settings_that_cannot_be_used_are_named(value: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match="MT_REQUEST_LOG") as caught:
        request_log_settings({"MT_REQUEST_LOG": value})
    assert message in str(caught.value)


def test_nothing_is_logged_where_nothing_is_said() -> None:
    assert request_log_settings({}) is None
    assert request_log_settings({"MT_REQUEST_LOG": '{"sink": "https://a:8/b"}'}) is not None
