"""Requests over gRPC, told as the JSON bodies that the same would be over V2 REST."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

import orjson
from kserve import InferRequest, InferResponse
from kserve.protocol.infer_type import to_http_parameters

from mt_predictor.request_log.events import JSON, Body
from mt_predictor.request_log.log import RequestLog


async def recorded(
    log: RequestLog,
    request: InferRequest,
    headers: Mapping[str, str],
    answering: Awaitable[tuple[Any, dict[str, str]]],
) -> tuple[Any, dict[str, str]]:
    """Return what ``answering`` comes to, and tell ``log`` of request and answer."""
    exchange = log.begin(headers)
    if exchange is None:
        return await answering
    exchange.asked(_body(_request(request)))
    answer, response_headers = await answering
    if isinstance(answer, InferResponse):
        exchange.answered(_body(_response(answer, request)))
    return answer, response_headers


def _body(document: Mapping[str, Any]) -> Body:
    return Body(orjson.dumps(document), JSON)


def _request(request: InferRequest) -> dict[str, Any]:
    told: dict[str, Any] = {"id": request.id} if request.id else {}
    told["inputs"] = [_tensor(one, _values(one)) for one in request.inputs]
    if request.parameters:
        told["parameters"] = to_http_parameters(request.parameters)
    return told


def _response(response: InferResponse, request: InferRequest) -> dict[str, Any]:
    wanted = {output.name for output in request.request_outputs or response.outputs}
    return {
        "model_name": response.model_name,
        "id": response.id,
        "outputs": [_tensor(one, one.data) for one in response.outputs if one.name in wanted],
    }


def _tensor(tensor: Any, data: Iterable[Any]) -> dict[str, Any]:
    shape = list(tensor.shape)
    return {"name": tensor.name, "shape": shape, "datatype": tensor.datatype, "data": data}


def _values(tensor: Any) -> list[Any]:
    """Return what an input holds; nothing where that is not what its shape says.

    The request is refused for it later, and by name.
    """
    try:
        values = tensor.as_numpy().reshape(-1).tolist()
    except Exception:  # the SDK lets whatever numpy and struct raise through
        return []
    return [
        value.decode(errors="replace") if isinstance(value, bytes) else value for value in values
    ]
