"""The Open Inference Protocol over gRPC, as a real predictor answers KServe's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from kserve.protocol.infer_type import RequestedOutput
from tests.predictor.running import Running, labels, predict

from mt_predictor.protocol_v2 import INPUTS, OUTPUTS

V1 = "/v1/models/toy:predict"


@pytest_asyncio.fixture
async def client(server: Running) -> AsyncIterator[InferenceGRPCClient]:
    async with InferenceGRPCClient(server.grpc) as made:
        yield made


def text(*values: object, **tensor: Any) -> InferInput:
    given = {"shape": [len(values)], "datatype": "BYTES", "data": list(values)} | tensor
    return InferInput("text", **given)


def request(*tensors: InferInput, **fields: Any) -> InferRequest:
    return InferRequest(**{"model_name": "toy", "infer_inputs": list(tensors)} | fields)


def columns(response: Any) -> dict[str, list[Any]]:
    return {output.name: output.as_numpy().tolist() for output in response.outputs}


@pytest.mark.parametrize("raw", [False, True], ids=["contents", "raw contents"])
async def test_translations_are_those_of_v1(
    server: Running, client: InferenceGRPCClient, raw: bool
) -> None:
    tensor = text("ba do", "kilu.")
    if raw:
        tensor.set_data_from_numpy(np.array(["ba do", "kilu."], np.object_))
    response = await client.infer(request(tensor, request_id="7"))
    assert (response.id, response.model_version) == ("7", "r-toy")
    expected = server.post(V1, predict("ba do", "kilu.")).json()["predictions"]
    found = columns(response)
    assert [value.decode() for value in found["translation"]] == [
        one["translation"] for one in expected
    ]
    assert found["tokens"] == [one["tokens"] for one in expected]
    none = text()
    if raw:
        none.set_data_from_numpy(np.empty([0], np.object_))
    assert columns(await client.infer(request(none))) == {
        "translation": [],
        "score": [],
        "tokens": [],
    }


async def test_each_text_has_its_own_parameters_and_its_own_error(
    server: Running, client: InferenceGRPCClient
) -> None:
    own = [b'{"beam_size": 1}', b"{", b""]
    tensors = text("ba do", "ba do", b"\xff"), InferInput("parameters", [3], "BYTES", own)
    outputs = [RequestedOutput("score")]
    found = columns(await client.infer(request(*tensors, request_outputs=outputs)))
    assert list(found) == ["score", "error"]
    expected = server.post(V1, predict({"text": "ba do", "beam_size": 1})).json()["predictions"]
    assert found["score"] == pytest.approx([expected[0]["score"], 0, 0], abs=1e-3)
    assert [error.decode().partition(":")[0] for error in found["error"]] == [
        "",
        '"parameters" of a text have to be a JSON object',
        "the text is not UTF-8 (byte 0)",
    ]


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        pytest.param(request(text("a"), model_name="other"), "NOT_FOUND", "other", id="model"),
        pytest.param(
            request(text("a"), model_version="2"), "NOT_FOUND", "'r-toy' is", id="version"
        ),
        pytest.param(
            request(InferInput("other", [1], "BYTES", ["x"])),
            "INVALID_ARGUMENT",
            'one input named "text" is needed',
            id="input",
        ),
        pytest.param(
            request(text(1.0, datatype="FP32")),
            "INVALID_ARGUMENT",
            "has to have datatype",
            id="type",
        ),
        pytest.param(
            request(text("a", shape=[2])), "INVALID_ARGUMENT", "its shape says", id="shape"
        ),
        pytest.param(
            request(text("a"), parameters={"beam_size": 99}),
            "INVALID_ARGUMENT",
            "from 1 to 16",
            id="parameter",
        ),
        pytest.param(
            request(text("x" * 1_048_577)), "RESOURCE_EXHAUSTED", "1,048,577 bytes", id="long text"
        ),
        pytest.param(request(text(*[""] * 1025)), "RESOURCE_EXHAUSTED", "1,025 texts", id="many"),
        pytest.param(
            request(text("x" * 4_300_000)),
            "RESOURCE_EXHAUSTED",
            "larger than max",
            id="large message",
        ),
    ],
)
async def test_refusals_have_their_status(
    client: InferenceGRPCClient, asked: InferRequest, status: str, message: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        await client.infer(asked)
    assert refused.value.code().name == status
    assert message in refused.value.details()


async def test_requests_are_counted_by_the_status_they_would_have_over_http(
    server: Running, client: InferenceGRPCClient
) -> None:
    counted = [
        labels("translation_requests_total", revision="r-toy", code=code)
        for code in ("200", "400", "413")
    ]
    before = server.metrics()
    await client.infer(request(text("ba do")))
    for bad in (text("a", shape=[2]), text("x" * 1_048_577)):
        with pytest.raises(grpc.RpcError):
            await client.infer(request(bad))
    after = server.metrics()
    assert [after[name] - before[name] for name in counted] == [1, 1, 1]


async def test_metadata_and_readiness(server: Running, client: InferenceGRPCClient) -> None:
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("toy")
    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = GRPCInferenceServiceStub(channel)
        found = await stub.ServerMetadata(messages.ServerMetadataRequest())
        assert (found.name, list(found.extensions)) == (
            "mt-predictor",
            ["binary_tensor_data", "parameters"],
        )
        model = await stub.ModelMetadata(messages.ModelMetadataRequest(name="toy", version="r-toy"))
        assert (list(model.versions), model.platform) == (["r-toy"], "ctranslate2")
        assert {tensor.name: tensor.datatype for tensor in model.inputs} == INPUTS
        assert {tensor.name: tensor.datatype for tensor in model.outputs} == OUTPUTS
        ready = messages.ModelReadyRequest(name="toy", version="2")
        unload = messages.RepositoryModelUnloadRequest(model_name="toy")
        for call, status in (
            (stub.ModelReady(ready), "NOT_FOUND"),
            (stub.ModelReady(messages.ModelReadyRequest(name="other")), "NOT_FOUND"),
            (stub.RepositoryModelUnload(unload), "PERMISSION_DENIED"),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                await call
            assert refused.value.code().name == status


async def test_no_text_is_logged(server: Running, client: InferenceGRPCClient) -> None:
    secret = "verysecretmessage"
    for bad in (
        request(text(secret, shape=[9])),
        request(InferInput(secret, [1], "BYTES", [secret])),
        request(text("a"), model_name=secret),
        request(text("a"), parameters={secret: secret}),
    ):
        with pytest.raises(grpc.RpcError):
            await client.infer(bad)
    assert secret not in server.log.read_text()
