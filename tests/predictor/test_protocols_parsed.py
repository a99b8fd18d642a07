"""The Open Inference Protocol's pure core: what is read of requests, and sent of answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt_predictor import VERSION
from mt_predictor.engine import Search
from mt_predictor.http_errors import BadRequest
from mt_predictor.parameters import Parameters
from mt_predictor.protocol import Instance, Refusal
from mt_predictor.protocol_v2 import ALWAYS, OUTPUTS, parse_v2, read_v2, v2_answer
from mt_predictor.translator import NOTHING, Translation

DEFAULT = Parameters(Search(2))
texts = st.lists(st.text(max_size=20), max_size=5)


def document(*elements: str, **fields: Any) -> dict[str, Any]:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [len(elements)], "data": elements}
    return {"inputs": [tensor], **fields}


def in_binary(elements: list[str]) -> tuple[bytes, str]:
    """Return the same as a body whose tensor is binary, and the length of its JSON."""
    encoded = [element.encode() for element in elements]
    data = b"".join(len(element).to_bytes(4, "little") + element for element in encoded)
    asked = document(*elements)
    del asked["inputs"][0]["data"]
    asked["inputs"][0]["parameters"] = {"binary_data_size": len(data)}
    begin = json.dumps(asked).encode()
    return begin + data, str(len(begin))


@settings(max_examples=50, deadline=None)
@given(elements=texts)
def test_json_and_binary_say_the_same(elements: list[str]) -> None:
    plain = read_v2(json.dumps(document(*elements)).encode(), None, "toy")
    binary = read_v2(*in_binary(elements), "toy")
    expected = [Instance(element, DEFAULT) for element in elements]
    assert parse_v2(plain, DEFAULT) == parse_v2(binary, DEFAULT) == expected


@settings(max_examples=50, deadline=None)
@given(elements=texts.filter(bool), at=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_damaged_request_is_read_or_refused(elements: list[str], at: int, byte: int) -> None:
    body, length = in_binary(elements)
    damaged = bytearray(body)
    damaged[at % len(damaged)] = byte
    try:
        found = parse_v2(read_v2(bytes(damaged), length, "toy"), DEFAULT)
    except BadRequest:
        return
    assert all(isinstance(one, Instance | Refusal) for one in found)


@pytest.mark.parametrize(
    ("fields", "own", "expected"),
    [
        pytest.param({}, "", DEFAULT, id="none"),
        pytest.param({"parameters": {"beam_size": 3}}, "", Parameters(Search(3)), id="request's"),
        pytest.param({}, '{"beam_size": 3}', Parameters(Search(3)), id="text's"),
        pytest.param(
            {"parameters": {"beam_size": 4, "n_best": 2}},
            '{"beam_size": 3}',
            Parameters(Search(3, 2)),
            id="the text's over the request's",
        ),
        pytest.param(
            {"outputs": [{"name": "segments"}]},
            "",
            Parameters(Search(2), True),
            id="tokens by name",
        ),
        pytest.param(
            {"parameters": {"binary_data_output": True, "content_type": "str"}},
            "",
            DEFAULT,
            id="the protocol's own",
        ),
        pytest.param({}, "[]", "have to be a JSON object", id="a list"),
        pytest.param({}, '{"n": 1}', "unknown parameter 'n'", id="unknown"),
        pytest.param({}, '{"n_best": 0}', "n_best has to be", id="amiss"),
    ],
)
def test_parameters_of_requests_and_of_texts(
    fields: dict[str, Any], own: str, expected: Parameters | str
) -> None:
    asked = document("a", "b", **fields)
    asked["inputs"].append(
        {"name": "parameters", "datatype": "BYTES", "shape": [2], "data": ["", own]}
    )
    [neighbour, found] = parse_v2(read_v2(json.dumps(asked).encode(), None, "toy"), DEFAULT)
    assert isinstance(neighbour, Instance)
    if isinstance(expected, str):
        assert isinstance(found, Refusal)
        assert expected in found.message
    else:
        assert found == Instance("b", expected)


def test_a_parameter_of_an_unknown_kind_is_refused_and_not_left_out() -> None:
    from kserve import InferRequest
    from kserve.protocol.grpc.grpc_predict_v2_pb2 import InferParameter, ModelInferRequest

    message = ModelInferRequest(
        inputs=[{"name": "text", "datatype": "BYTES", "shape": [1], "contents": {}}],
        parameters={"beam_size": InferParameter()},
    )
    message.inputs[0].contents.bytes_contents.append(b"a")
    with pytest.raises(BadRequest, match="beam_size has to be a whole number"):
        parse_v2(InferRequest.from_grpc(message), DEFAULT)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize(
    ("asked", "answers", "names"),
    [
        pytest.param([], [NOTHING], list(ALWAYS), id="by default"),
        pytest.param([], [], list(ALWAYS), id="of no text"),
        pytest.param([], [NOTHING, Refusal("no")], [*ALWAYS, "error"], id="with an error"),
        pytest.param(["score"], [NOTHING], ["score"], id="one"),
        pytest.param(["score"], [Refusal("no"), NOTHING], ["score", "error"], id="and an error"),
        pytest.param(["error", "score"], [NOTHING], ["error", "score"], id="in their order"),
        pytest.param(list(OUTPUTS), [], list(OUTPUTS), id="all of no text"),
        pytest.param(list(OUTPUTS), [NOTHING, NOTHING], list(OUTPUTS), id="all"),
    ],
)
def test_the_outputs_of_an_answer(
    asked: list[str], answers: list[Translation | Refusal], names: list[str], binary: bool
) -> None:
    fields: dict[str, Any] = {"outputs": [{"name": name} for name in asked]} if asked else {}
    fields["parameters"] = {"binary_data_output": binary}
    request = read_v2(json.dumps(document("a", **fields)).encode(), None, "toy")
    body, size = v2_answer(request, answers, "r-1").to_rest()
    told = json.loads(body[:size]) if binary else body
    assert [output["name"] for output in told["outputs"]] == names
    assert all(output["shape"] == [len(answers)] for output in told["outputs"])
    sizes = [output.get("parameters", {}).get("binary_data_size") for output in told["outputs"]]
    if binary:
        assert sum(sizes) == len(body) - size
    else:
        assert sizes == [None] * len(sizes)
        assert all(len(output["data"]) == len(answers) for output in told["outputs"])


def test_the_version_is_the_projects() -> None:
    project = Path(__file__).parents[2] / "predictor" / "pyproject.toml"
    assert f'version = "{VERSION}"' in project.read_text()
