"""What clients send and are sent, in KServe's V1 and V2 protocols; pure.

A request that makes no sense is refused as a whole. An instance that makes none gets its own error
and the others their translations; where no instance is left, the request is refused with the first
one's error.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from kserve import InferOutput, InferRequest, InferResponse
from kserve.protocol.infer_type import to_http_parameters

from mt_predictor import parameters
from mt_predictor.engine import Hypothesis, Source
from mt_predictor.http_errors import BadRequest, TooLarge
from mt_predictor.parameters import ParameterError, Parameters
from mt_predictor.translator import Translation

MAX_INSTANCES = 1024
TEXT = "text"
V1_HINT = 'send {"instances": ["a text", {"text": "another", "beam_size": 1}]}'
V2_HINT = (
    'send {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a text"]}]}'
)


@dataclass(frozen=True)
class Instance:
    """One text to be translated."""

    text: str
    parameters: Parameters


@dataclass(frozen=True)
class Refusal:
    """One text that is not translated, and why."""

    message: str
    too_large: bool = False


Asked = Instance | Refusal
Answer = Translation | Refusal


def parse_json(body: bytes) -> Any:
    """Return the JSON document in ``body``.

    Raises:
        BadRequest: it is not UTF-8, or not JSON.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"the body is not UTF-8 (byte {error.start}): encode the JSON as UTF-8; {V1_HINT}"
        ) from error
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"the body is not JSON (line {error.lineno}, column {error.colno}: {error.msg}): "
            f"{V1_HINT}"
        ) from error


def parse_v1(document: Any, default: Parameters) -> list[Asked]:
    """Return the instances of a V1 request.

    Args:
        document: its JSON.
        default: what stands for parameters that the request does not name.

    Raises:
        BadRequest: it is no V1 request, or no instance of it can be translated.
        TooLarge: it has too many instances.
    """
    if not isinstance(document, dict):
        raise BadRequest(f"the body is no JSON object: {V1_HINT}")
    if unknown := sorted(document.keys() - {"instances", "parameters"}):
        raise BadRequest(f"unknown field {unknown[0][:64]!r}: {V1_HINT}")
    instances = document.get("instances")
    if not isinstance(instances, list):
        raise BadRequest(f'"instances" has to be a list: {V1_HINT}')
    _check_count(len(instances))
    common = _parameters(document.get("parameters") or {}, default)
    asked = [_v1_instance(instance, common) for instance in instances]
    some(asked)
    return asked


def parse_v2(request: InferRequest, default: Parameters) -> list[Asked]:
    """Return the texts of a V2 request; arguments and errors as in ``parse_v1``."""
    inputs = [tensor for tensor in request.inputs if tensor.name == TEXT]
    if len(inputs) != 1 or len(request.inputs) != 1:
        names = ", ".join(repr(tensor.name[:64]) for tensor in request.inputs[:4]) or "none"
        raise BadRequest(f'one input named "text" is needed, found {names}: {V2_HINT}')
    if inputs[0].datatype != "BYTES":
        raise BadRequest(f'input "text" has to have datatype BYTES: {V2_HINT}')
    common = _parameters(_v2_parameters(request), default)
    asked = [_v2_text(value, common) for value in _v2_values(inputs[0])]
    some(asked)
    return asked


def some(asked: Sequence[Any]) -> None:
    """Refuse a request of which nothing is left to do (one with no instance is none).

    Raises:
        BadRequest: every one is refused.
        TooLarge: every one is, the first because of its size.
    """
    refusals = [entry for entry in asked if isinstance(entry, Refusal)]
    if refusals and len(refusals) == len(asked):
        error = TooLarge if refusals[0].too_large else BadRequest
        raise error(f"instances[0]: {refusals[0].message}")


def v1_answer(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return the V1 response."""
    return {"predictions": [_v1_prediction(answer) for answer in answers]}


def v2_answer(request: InferRequest, answers: Sequence[Answer]) -> InferResponse:
    """Return the V2 response: a tensor for each field.

    ``segments`` and ``alternatives`` are JSON, and there where the request asks for them, ``error``
    where there is one.
    """
    done = [None if isinstance(answer, Refusal) else answer for answer in answers]
    columns: list[tuple[str, str, list[Any]]] = [
        ("translation", "BYTES", [one.text if one else "" for one in done]),
        ("score", "FP32", [one.score if one else 0.0 for one in done]),
        ("tokens", "INT32", [one.tokens if one else 0 for one in done]),
    ]
    for name, told in (("segments", _segments), ("alternatives", _alternatives)):
        values = [told(one) if one else [] for one in done]
        if any(values):
            columns.append((name, "BYTES", [orjson.dumps(value).decode() for value in values]))
    errors = [answer.message if isinstance(answer, Refusal) else "" for answer in answers]
    if any(errors):
        columns.append(("error", "BYTES", errors))
    return InferResponse(
        response_id=request.id or str(uuid.uuid4()),
        model_name=request.model_name,
        infer_outputs=[
            InferOutput(name, [len(values)], datatype, values) for name, datatype, values in columns
        ],
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=_requested(request, {name for name, _, _ in columns}),
        from_grpc=request.from_grpc,
    )


def _requested(request: InferRequest, known: set[str]) -> Any:
    for output in request.request_outputs or ():
        if output.name not in known:
            offered = ", ".join(sorted(known))
            raise BadRequest(f"no output is named {output.name[:64]!r}: ask for {offered}")
    return request.request_outputs


def _v1_prediction(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Refusal):
        return {"error": answer.message}
    prediction = {
        "translation": answer.text,
        "score": round(answer.score, 4),
        "tokens": answer.tokens,
    }
    told: dict[str, Any] = {"segments": _segments(answer), "alternatives": _alternatives(answer)}
    if answer.truncated:
        told["truncated"] = True
    return prediction | {name: value for name, value in told.items() if value}


def _segments(translation: Translation) -> list[dict[str, Any]]:
    """Return the tokens of each part that was translated by itself."""
    return [_segment(source, best) for source, best in translation.segments]


def _segment(source: Source, best: Hypothesis) -> dict[str, Any]:
    told = {"source": list(source), "target": list(best.pieces)}
    if best.attention is None:
        return told
    rows = [[round(weight, 4) for weight in row] for row in best.attention]
    return told | {"attention": rows}


def _alternatives(translation: Translation) -> list[dict[str, Any]]:
    """Return the translations that come after the best."""
    return [
        {"translation": one.text, "score": round(one.score, 4), "tokens": one.tokens}
        for one in translation.alternatives
    ]


def _check_count(count: int) -> None:
    if count > MAX_INSTANCES:
        raise TooLarge(
            f"{count:,} texts in one request, at most {MAX_INSTANCES:,}: send several requests"
        )


def _v1_instance(instance: Any, common: Parameters) -> Asked:
    if isinstance(instance, str):
        return Instance(instance, common)
    if not isinstance(instance, dict):
        return Refusal('an instance has to be a text or {"text": …}')
    if not isinstance(instance.get(TEXT), str):
        return Refusal('"text" has to be a string: send {"text": "…"}')
    if unknown := sorted(instance.keys() - {TEXT, *parameters.NAMES}):
        known = ", ".join((TEXT, *parameters.NAMES))
        return Refusal(f"unknown field {unknown[0][:64]!r}: there are {known}")
    try:
        return Instance(instance[TEXT], parameters.read(instance, common))
    except ParameterError as error:
        return Refusal(str(error))


def _parameters(given: Any, default: Parameters) -> Parameters:
    """Return what a request asks for all its texts."""
    if not isinstance(given, Mapping):
        raise BadRequest('"parameters" has to be an object: {"beam_size": 1}')
    if unknown := sorted(str(key) for key in given if key not in parameters.NAMES):
        known = ", ".join(parameters.NAMES)
        raise BadRequest(f"unknown parameter {unknown[0][:64]!r}: there are {known}")
    try:
        return parameters.read(given, default)
    except ParameterError as error:
        raise BadRequest(str(error)) from error


def _v2_parameters(request: InferRequest) -> dict[str, Any]:
    given = to_http_parameters(request.parameters) if request.parameters else {}
    # The protocol's own, which the SDK acts on.
    return {key: value for key, value in given.items() if key != "binary_data_output"}


def _v2_values(tensor: Any) -> list[Any]:
    try:
        values = tensor.as_numpy().reshape(-1).tolist()
    except Exception as error:  # the SDK lets whatever numpy and struct raise through
        raise BadRequest(
            f'input "text" does not hold what its shape says ({type(error).__name__}): {V2_HINT}'
        ) from error
    _check_count(len(values))
    return list(values)


def _v2_text(value: Any, common: Parameters) -> Asked:
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            return Refusal(f"the text is not UTF-8 (byte {error.start}): encode it as UTF-8")
    if not isinstance(value, str):
        return Refusal("a text has to be a string")
    return Instance(value, common)
