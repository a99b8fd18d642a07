"""A predictor that logs its requests, from the client to the sink and to its end."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

from cloudevents.http import CloudEvent
from tests.predictor.running import MODEL, Running, infer, labels, predict, serving
from tests.predictor.sinks import Sink, listening, until

V1, V2 = f"/v1/models/{MODEL}:predict", f"/v2/models/{MODEL}/infer"
TEXTS = ("badoki", "luMENO", "rasute", "vizoçá", "nhkido")  # no word of them is in any log


async def test_every_protocol_reaches_the_sink_and_no_text_goes_elsewhere(
    artifact_folder: Path, tmp_path: Path
) -> None:
    with listening() as sink:
        log = {"sink": sink.url, "inferenceService": "toy-1a2b", "namespace": "team-a"}
        with serving(artifact_folder, tmp_path, MT_REQUEST_LOG=json.dumps(log)) as server:
            await asyncio.to_thread(_requests, server)
            await _grpc(server)
            events = await asyncio.to_thread(sink.events, 7)
            counted = labels("translation_request_log_total", outcome="sent")
            await asyncio.to_thread(until, lambda: server.metrics()[counted] == 7, "7 counted")
            await asyncio.to_thread(_at_the_end, server, sink)
        assert len(sink.posted) == 9
    _check(events)
    written = server.log.read_text()
    assert "everything was answered" in written
    assert not [text for text in TEXTS if text in written]


def _requests(server: Running) -> None:
    json_ = {"content-type": "application/json"}
    assert server.post(V1, predict(TEXTS[0]), **json_).status_code == 200
    assert server.post(V1, predict(TEXTS[1], 3, x=1), **json_).status_code == 400
    synthetic = {"X-Translation-Synthetic": "true"}
    assert server.post(V1, predict(TEXTS[2]), **synthetic).status_code == 200
    assert server.post(V2, infer([TEXTS[3]], [1]), **json_).status_code == 200


async def _grpc(server: Running) -> None:
    from kserve import InferenceGRPCClient, InferInput, InferRequest

    client = InferenceGRPCClient(server.grpc)
    try:
        await client.infer(InferRequest(MODEL, [InferInput("text", [1], "BYTES", [TEXTS[4]])]))
    finally:
        await client.close()


def _at_the_end(server: Running, sink: Sink) -> None:
    """Stop the predictor while its sink hangs, which then is well again: nothing is lost."""
    sink.open.clear()
    assert server.post(V1, predict(TEXTS[0])).status_code == 200  # nobody waits for the sink
    server.process.send_signal(signal.SIGTERM)
    until(lambda: "told to stop" in server.log.read_text(), "the drain")
    sink.open.set()
    assert server.process.wait(timeout=60) == 0


def _check(events: list[CloudEvent]) -> None:
    told = [(str(one["type"]).rpartition(".")[2], json.loads(one.data)) for one in events]
    assert [kind for kind, _ in told] == [
        *("request", "response"),  # V1
        "request",  # refused
        *("request", "response"),  # V2
        *("request", "response"),  # gRPC
    ]
    documents = [document for _, document in told]
    assert documents[0] == {"instances": [TEXTS[0]]}
    assert set(documents[1]["predictions"][0]) == {"translation", "score", "tokens"}
    for asked, answered, text in ((3, 4, TEXTS[3]), (5, 6, TEXTS[4])):
        assert documents[asked]["inputs"][0]["data"] == [text]
        assert [one["name"] for one in documents[answered]["outputs"]] == [
            "translation",
            "score",
            "tokens",
        ]
        assert events[asked]["id"] == events[answered]["id"]
    assert len({one["id"] for one in events}) == 4
    assert {one["inferenceservicename"] for one in events} == {"toy-1a2b"}
    assert {one["namespace"] for one in events} == {"team-a"}
    annotations = {one["annotations"] for one in events}
    assert [json.loads(one)["translation.kubeflow.org/revision"] for one in annotations] == [
        "r-toy"
    ]
