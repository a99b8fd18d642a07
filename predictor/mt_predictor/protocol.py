"""What clients send and are sent, in KServe's V1 protocol, and what V2 has in common; pure.

A request that makes no sense is refused as a whole. An instance that makes none gets its own error
and the others their translations; where no instance is left, the request is refused with the first
one's error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from mt_predictor import parameters
from mt_predictor.engine import Hypothesis, Source
from mt_predictor.http_errors import BadRequest, TooLarge
from mt_predictor.parameters import ParameterError, Parameters
from mt_predictor.translator import Translation

MAX_INSTANCES = 1024
TEXT = "text"
V1_HINT = 'send {"instances": ["a text", {"text": "another", "beam_size": 1}]}'


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


def parse_json(body: bytes, hint: str = V1_HINT) -> Any:
    """Return the JSON document in ``body``; ``hint`` is what to send instead of one that is none.

    Raises:
        BadRequest: it is not UTF-8, or not JSON.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"the body is not UTF-8 (byte {error.start}): encode the JSON as UTF-8; {hint}"
        ) from error
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"the body is not JSON (line {error.lineno}, column {error.colno}: {error.msg}): {hint}"
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
    check_count(len(instances))
    common = of_request(document.get("parameters") or {}, default)
    asked = [_v1_instance(instance, common) for instance in instances]
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


def _v1_prediction(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Refusal):
        return {"error": answer.message}
    prediction = {
        "translation": answer.text,
        "score": round(answer.score, 4),
        "tokens": answer.tokens,
    }
    told: dict[str, Any] = {"segments": segments(answer), "alternatives": alternatives(answer)}
    if answer.truncated:
        told["truncated"] = True
    return prediction | {name: value for name, value in told.items() if value}


def segments(translation: Translation) -> list[dict[str, Any]]:
    """Return the tokens of each part that was translated by itself."""
    return [_segment(source, best) for source, best in translation.segments]


def _segment(source: Source, best: Hypothesis) -> dict[str, Any]:
    told = {"source": list(source), "target": list(best.pieces)}
    if best.attention is None:
        return told
    rows = [[round(weight, 4) for weight in row] for row in best.attention]
    return told | {"attention": rows}


def alternatives(translation: Translation) -> list[dict[str, Any]]:
    """Return the translations that come after the best."""
    return [
        {"translation": one.text, "score": round(one.score, 4), "tokens": one.tokens}
        for one in translation.alternatives
    ]


def check_count(count: int) -> None:
    """Refuse a request of more texts than one may have.

    Raises:
        TooLarge: it has.
    """
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


def of_request(given: Any, default: Parameters) -> Parameters:
    """Return what a request asks for all its texts.

    Raises:
        BadRequest: it asks for what there is not.
    """
    if not isinstance(given, Mapping):
        raise BadRequest('"parameters" has to be an object: {"beam_size": 1}')
    try:
        return parameters.read_all(given, default)
    except ParameterError as error:
        raise BadRequest(str(error)) from error
