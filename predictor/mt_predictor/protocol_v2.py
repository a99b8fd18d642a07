"""The Open Inference Protocol (V2): tensors in, tensors out, over REST and gRPC alike; pure.

https://github.com/kserve/open-inference-protocol; tensors after the JSON of a REST request are
Triton's extension "binary_tensor_data". A text that is refused has its message in the tensor
``error``, at its place, and nothing in the others; its neighbours have their translations.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from kserve import InferOutput, InferRequest, InferResponse
from kserve.protocol.infer_type import (
    InferInput,
    RequestedOutput,
    deserialize_bytes_tensor,
    to_http_parameters,
)
from kserve.protocol.rest.v2_datamodels import InferenceRequest, RequestInput
from kserve.utils.numpy_codec import to_np_dtype
from pydantic import Field, ValidationError

from mt_predictor import parameters
from mt_predictor.http_errors import BadRequest, faults
from mt_predictor.parameters import ParameterError, Parameters
from mt_predictor.protocol import (
    TEXT,
    Answer,
    Asked,
    Instance,
    Refusal,
    alternatives,
    check_count,
    of_request,
    parse_json,
    segments,
    some,
)

PARAMETERS, SEGMENTS, ERROR = "parameters", "segments", "error"
INPUTS = {TEXT: "BYTES", PARAMETERS: "BYTES"}
ALWAYS = {"translation": "BYTES", "score": "FP32", "tokens": "INT32"}
# There where they are asked for, or have something to tell; ``error`` wherever there is one.
AT_TIMES = {"truncated": "BOOL", SEGMENTS: "BYTES", "alternatives": "BYTES", ERROR: "BYTES"}
OUTPUTS = ALWAYS | AT_TIMES
HINT = 'send {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a text"]}]}'
_OF_PROTOCOL = {"binary_data_output", "binary_data_size", "content_type"}  # no parameters of ours


class _Input(RequestInput):  # type: ignore[misc]  # the SDK ships no types
    data: list[Any] = Field(default_factory=list)  # a binary tensor has none


class _Request(InferenceRequest):  # type: ignore[misc]  # the SDK ships no types
    inputs: list[_Input]


def tensors(of: dict[str, str]) -> list[dict[str, Any]]:
    """Return the metadata of the tensors that ``of`` names, with their datatypes."""
    return [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in of.items()]


def read_v2(body: bytes, json_length: str | None, model: str) -> InferRequest:
    """Return the request in the body of a REST request.

    Args:
        body: JSON, and after it the data of the tensors that the JSON calls binary.
        json_length: bytes of the JSON, as the header Inference-Header-Content-Length has them;
            None: all is JSON.
        model: its name.

    Raises:
        BadRequest: it is no inference request.
    """
    begin = len(body) if json_length is None else _length(json_length, len(body))
    document = parse_json(body[:begin], HINT)
    if not isinstance(document, dict):
        raise BadRequest(f"the body is no JSON object: {HINT}")
    try:
        request = InferRequest.from_inference_request(_Request.model_validate(document), model)
    except ValidationError as error:
        raise BadRequest(f"not an inference request ({faults(error.errors())}): {HINT}") from error
    except ValueError as error:  # the SDK's own
        raise BadRequest(f"not an inference request ({error}): {HINT}") from error
    for tensor in request.inputs:
        size = tensor.parameters.get("binary_data_size")
        if size is not None:
            tensor.data = _binary(tensor, size, body[begin:])
            begin += size
    if begin != len(body):
        raise BadRequest(f"{len(body) - begin:,} bytes follow that belong to no tensor: {HINT}")
    return request


def parse_v2(request: InferRequest, default: Parameters) -> list[Asked]:
    """Return the texts of a V2 request.

    Args:
        request: the request.
        default: what stands for parameters that neither request nor text names.

    Raises:
        BadRequest: it asks for what there is not, or no text of it can be translated.
        TooLarge: it has too many texts.
    """
    inputs = _inputs(request)
    if SEGMENTS in _requested(request):
        default = replace(default, pieces=True)
    common = of_request(_given(request.parameters), default)
    common = of_request(_given(inputs[TEXT].parameters), common)
    texts = _values(inputs[TEXT])
    own = _values(inputs[PARAMETERS]) if PARAMETERS in inputs else [""] * len(texts)
    if len(own) != len(texts):
        raise BadRequest(f'"parameters" has {len(own):,} elements, "text" has {len(texts):,}')
    asked = [_asked(text, of_text, common) for text, of_text in zip(texts, own, strict=True)]
    some(asked)
    return asked


def v2_answer(request: InferRequest, answers: Sequence[Answer], version: str) -> InferResponse:
    """Return the V2 response: of each output one element a text; ``version`` is the revision."""
    wanted = _requested(request)
    columns = {
        name: values
        for name, values, told in _columns(answers)
        if name in (wanted or ALWAYS) or (told and (name == ERROR or not wanted))
    }
    binary = _binary_outputs(request, columns)
    return InferResponse(
        response_id=request.id or str(uuid.uuid4()),
        model_name=request.model_name,
        model_version=version,
        infer_outputs=[_output(name, columns[name], raw) for name, raw in binary.items()],
        use_binary_outputs=request.use_binary_outputs,
        # The SDK reads only here which are binary over REST.
        requested_outputs=[
            RequestedOutput(name, {"binary_data": raw}) for name, raw in binary.items()
        ],
        from_grpc=request.from_grpc,
    )


def _columns(answers: Sequence[Answer]) -> Iterator[tuple[str, list[Any], bool]]:
    """Yield each output's name, its elements, and whether they tell anything."""
    done = [None if isinstance(answer, Refusal) else answer for answer in answers]
    yield "translation", [one.text if one else "" for one in done], True
    yield "score", [one.score if one else 0.0 for one in done], True
    yield "tokens", [one.tokens if one else 0 for one in done], True
    truncated = [bool(one and one.truncated) for one in done]
    yield "truncated", truncated, any(truncated)
    for name, tell in ((SEGMENTS, segments), ("alternatives", alternatives)):
        lists = [tell(one) if one else [] for one in done]
        yield name, [orjson.dumps(value).decode() for value in lists], any(lists)
    errors = [answer.message if isinstance(answer, Refusal) else "" for answer in answers]
    yield ERROR, errors, any(errors)


def _output(name: str, values: list[Any], binary: bool) -> InferOutput:
    output = InferOutput(name, [len(values)], OUTPUTS[name], values)
    if not values:  # the SDK writes none as no tensor at all
        output.set_data_from_numpy(np.empty([0], to_np_dtype(OUTPUTS[name])), binary_data=binary)
    return output


def _requested(request: InferRequest) -> set[str]:
    wanted = {output.name for output in request.request_outputs or ()}
    if unknown := sorted(wanted - OUTPUTS.keys()):
        raise BadRequest(f"no output is named {unknown[0][:64]!r}: there are {', '.join(OUTPUTS)}")
    return wanted


def _binary_outputs(request: InferRequest, columns: Mapping[str, Any]) -> dict[str, bool]:
    """Return whether each of ``columns`` is binary over REST, in the order they are asked for."""
    all_binary = bool(request.use_binary_outputs)
    if request.from_grpc or not request.request_outputs:
        return dict.fromkeys(columns, all_binary)
    binary = {
        output.name: all_binary if output.binary_data is None else bool(output.binary_data)
        for output in request.request_outputs
    }
    return binary | {name: all(binary.values()) for name in columns if name not in binary}


def _inputs(request: InferRequest) -> dict[str, InferInput]:
    found = {tensor.name: tensor for tensor in request.inputs}
    if TEXT not in found or len(found) != len(request.inputs) or found.keys() - INPUTS.keys():
        names = ", ".join(repr(tensor.name[:64]) for tensor in request.inputs[:4]) or "none"
        raise BadRequest(
            f'one input named "text" is needed, and one named "parameters" may be, found {names}: '
            f"{HINT}"
        )
    return found


def _given(of_protocol: Any) -> dict[str, Any]:
    """Return the parameters of a request or of a tensor that are not the protocol's own."""
    given = of_protocol or {}
    # The SDK leaves out those of a type that it does not know: None is none that ours have.
    known = dict.fromkeys(given) | to_http_parameters(given)
    return {name: value for name, value in known.items() if name not in _OF_PROTOCOL}


def _values(tensor: InferInput) -> list[Any]:
    """Return the elements of a tensor of any shape, in order."""
    if tensor.datatype != "BYTES":
        raise BadRequest(f'input "{tensor.name}" has to have datatype BYTES: {HINT}')
    try:
        if min(tensor.shape, default=0) < 0:
            raise ValueError("a size is negative")
        values = tensor.as_numpy().reshape(-1).tolist()
    except Exception as error:  # the SDK lets whatever numpy and struct raise through
        raise BadRequest(
            f'input "{tensor.name}" does not hold what its shape says ({type(error).__name__}): '
            f"{HINT}"
        ) from error
    check_count(len(values))
    return list(values)


def _asked(value: Any, own: Any, common: Parameters) -> Asked:
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            return Refusal(f"the text is not UTF-8 (byte {error.start}): encode it as UTF-8")
    if not isinstance(value, str):
        return Refusal("a text has to be a string")
    try:
        return Instance(value, _own(own, common))
    except ParameterError as error:
        return Refusal(str(error))


def _own(document: Any, common: Parameters) -> Parameters:
    """Return the parameters of one text: a JSON object, or nothing."""
    if document in ("", b""):
        return common
    try:
        given = orjson.loads(document)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise ParameterError('"parameters" of a text have to be a JSON object: {"beam_size": 1}')
    return parameters.read_all(given, common)


def _length(header: str, size: int) -> int:
    try:
        length = int(header)
    except ValueError:
        length = -1
    if not 0 <= length <= size:
        raise BadRequest(
            f"Inference-Header-Content-Length is {header[:32]!r}: it has to be the length of the "
            f"JSON, in a body of {size:,} bytes"
        )
    return length


def _binary(tensor: InferInput, size: Any, rest: bytes) -> list[bytes]:
    """Return the elements of a tensor at the beginning of ``rest``: each has its length before."""
    if type(size) is not int or not 0 <= size <= len(rest):
        raise BadRequest(
            f'input "{tensor.name[:64]}" has binary_data_size {str(size)[:32]}, and {len(rest):,} '
            "bytes are left of the body"
        )
    if tensor.datatype != "BYTES":
        return []  # is refused because of that
    try:
        return list(deserialize_bytes_tensor(rest[:size]).tolist())
    except struct.error as error:
        raise BadRequest(
            f'input "{tensor.name[:64]}" is no BYTES tensor: before each element stands its '
            "length, four bytes, the lowest first"
        ) from error
