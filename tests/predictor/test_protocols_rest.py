"""The Open Inference Protocol over REST, as a real predictor answers it, and odd HTTP."""

from __future__ import annotations

import gzip
import json

import httpx
import pytest
from tests.predictor.builders import sentences
from tests.predictor.running import Running, infer, predict

from mt_predictor.protocol_v2 import OUTPUTS

V1, V2 = "/v1/models/toy:predict", "/v2/models/toy/infer"
JSON = {"content-type": "application/json"}


def columns(answer: httpx.Response) -> dict[str, list[object]]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


def binary(texts: list[bytes], tail: bytes = b"", **tensor: object) -> tuple[bytes, dict[str, str]]:
    """Return the body of a request with one binary tensor, and its headers."""
    data = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    given = {"name": "text", "datatype": "BYTES", "shape": [len(texts)]}
    head = {"inputs": [given | {"parameters": {"binary_data_size": len(data)}} | tensor]}
    begin = json.dumps(head).encode()
    return begin + data + tail, {"inference-header-content-length": str(len(begin))}


def test_v2_tells_what_v1_tells(server: Running) -> None:
    parameters = {"beam_size": 4, "n_best": 2, "return_attention": True}
    [expected] = server.post(V1, predict("ba do", parameters=parameters)).json()["predictions"]
    document = json.loads(infer(["ba do"], [1])) | {"parameters": parameters}
    answer = server.post(V2, json.dumps(document).encode(), **JSON).json()
    columns = {output["name"]: output["data"] for output in answer["outputs"]}
    assert json.loads(columns["segments"][0]) == expected["segments"]
    assert json.loads(columns["alternatives"][0]) == expected["alternatives"]


def test_v2_translates_as_v1_does(server: Running) -> None:
    texts = sentences(3, seed=6)
    expected = server.post(V1, predict(*texts)).json()["predictions"]
    answer = server.post(V2, infer(texts, [3]), **JSON).json()
    assert answer["id"] == "42"
    columns = {output["name"]: output["data"] for output in answer["outputs"]}
    assert columns["translation"] == [one["translation"] for one in expected]
    assert columns["tokens"] == [one["tokens"] for one in expected]
    assert columns["score"] == pytest.approx([one["score"] for one in expected], abs=1e-3)


def test_v2_without_a_content_type(server: Running) -> None:
    answer = server.post(V2, infer(["ba do"], [1]))
    assert answer.status_code == 200, answer.text


def test_v2_in_binary(server: Running) -> None:
    body, headers = binary(["ba dó".encode()])
    [expected] = server.post(V1, predict("ba dó")).json()["predictions"]
    assert columns(server.post(V2, body, **headers))["translation"] == [expected["translation"]]


def test_a_binary_text_that_is_not_utf8_harms_no_neighbour(server: Running) -> None:
    body, headers = binary([b"ba do", b"\xff\xfe", b"kilu."])
    expected = server.post(V1, predict("ba do", "kilu.")).json()["predictions"]
    found = columns(server.post(V2, body, **headers))
    assert found["translation"] == [expected[0]["translation"], "", expected[1]["translation"]]
    assert found["error"] == ["", "the text is not UTF-8 (byte 0): encode it as UTF-8", ""]


def test_each_text_has_its_own_parameters(server: Running) -> None:
    text = sentences(1)[0]
    expected = server.post(
        V1, predict({"text": text, "beam_size": 1}, text, parameters={"beam_size": 6})
    ).json()["predictions"]
    document = json.loads(infer([text, text, text], [3]))
    own = ['{"beam_size": 1}', "", '{"beams": 1}']
    document["inputs"].append(
        {"name": "parameters", "shape": [3], "datatype": "BYTES", "data": own}
    )
    document["parameters"] = {"beam_size": 6}
    found = columns(server.post(V2, json.dumps(document).encode()))
    assert found["score"][:2] == pytest.approx([one["score"] for one in expected], abs=1e-3)
    assert "unknown parameter 'beams'" in str(found["error"][2])


def test_only_the_outputs_that_are_asked_for_in_their_order(server: Running) -> None:
    document = json.loads(infer(["ba do"], [1]))
    document["outputs"] = [{"name": "truncated"}, {"name": "segments"}, {"name": "score"}]
    found = columns(server.post(V2, json.dumps(document).encode()))
    assert list(found) == ["truncated", "segments", "score"]
    assert found["truncated"] == [False]
    [expected] = server.post(V1, predict({"text": "ba do", "return_tokens": True})).json()[
        "predictions"
    ]
    assert json.loads(str(found["segments"][0])) == expected["segments"]


def test_an_error_is_told_whether_it_is_asked_for_or_not(server: Running) -> None:
    document = json.loads(infer(["ba do", 7], [2])) | {"outputs": [{"name": "translation"}]}
    found = columns(server.post(V2, json.dumps(document).encode()))
    assert list(found) == ["translation", "error"]
    assert found["error"] == ["", "a text has to be a string"]


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        pytest.param([2], ["ba do", "kilu."], id="n"),
        pytest.param([1, 2], ["ba do", "kilu."], id="1 by n, flat"),
        pytest.param([2, 1], [["ba do"], ["kilu."]], id="n by 1, nested"),
        pytest.param([0], [], id="none"),
        pytest.param([], ["ba do"], id="a scalar"),
    ],
)
def test_any_shape_is_read_in_order(server: Running, shape: list[int], data: list[object]) -> None:
    texts = [text for one in data for text in ([one] if isinstance(one, str) else one)]
    expected = server.post(V1, predict(*texts)).json()["predictions"]
    answer = server.post(V2, infer(data, shape))
    assert columns(answer)["translation"] == [one["translation"] for one in expected]
    assert {tuple(output["shape"]) for output in answer.json()["outputs"]} == {(len(texts),)}


def one(**tensor: object) -> bytes:
    return infer(["ba"], [1], **tensor)


def with_(**fields: object) -> bytes:
    return json.dumps(json.loads(one()) | fields).encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"{", "not JSON (line 1", id="wrong JSON"),
        pytest.param(b"", "Field required", id="no body"),
        pytest.param(b"[]", "no JSON object", id="a list"),
        pytest.param(b'{"inputs": 3}', "inputs: ", id="no list of inputs"),
        pytest.param(b'{"inputs": []}', "found none", id="no input"),
        pytest.param(with_(inputs=json.loads(one())["inputs"] * 2), "'text', 'text'", id="twice"),
        pytest.param(with_(id=7), "id: ", id="an id that is a number"),
        pytest.param(one()[:-1] + b', "parameters": {"beam_size": NaN}}', "not JSON", id="NaN"),
        pytest.param(one()[:-1] + b', "id": "\\ud800"}', "not JSON", id="half a character"),
        pytest.param(infer(["a"], [2]), "what its shape says", id="shape too large"),
        pytest.param(infer(["a"], [0]), "what its shape says", id="shape too small"),
        pytest.param(infer(["a"], [-1]), "what its shape says", id="negative shape"),
        pytest.param(infer(["a"], [1] * 100), "what its shape says", id="a hundred dimensions"),
        pytest.param(one(datatype="FP32"), "datatype BYTES", id="another datatype"),
        pytest.param(one(datatype="STRING"), "datatype BYTES", id="no datatype"),
        pytest.param(infer([1], [1]), "has to be a string", id="a number"),
        pytest.param(infer([None], [1]), "has to be a string", id="null"),
        pytest.param(infer([{"text": "a"}], [1]), "has to be a string", id="V1's instance"),
        pytest.param(one(name="x"), 'named "text"', id="other input"),
        pytest.param(one(parameters={"beam": 1}), "'beam'", id="of the tensor, unknown"),
        pytest.param(with_(parameters={"beam_size": 1.0}), "whole number", id="not whole"),
        pytest.param(with_(outputs=[{"name": "x"}]), "no output is named 'x'", id="other output"),
    ],
)
def test_v2_requests_are_refused_with_what_to_send(
    server: Running, body: bytes, message: str
) -> None:
    answer = server.post(V2, body, **JSON)
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(binary([b"ba"], b"zz"), "2 bytes follow", id="bytes left over"),
        pytest.param(
            binary([b"ba"], parameters={"binary_data_size": 9}), "6 bytes are left", id="too few"
        ),
        pytest.param(
            binary([b"ba"], parameters={"binary_data_size": -1}), "size -1", id="negative"
        ),
        pytest.param(
            binary([b"ba"], parameters={"binary_data_size": 5}, tail=b""), "four bytes", id="cut"
        ),
        pytest.param(binary([b"ba"], shape=[2]), "what its shape says", id="shape"),
        pytest.param(binary([b"ba"], datatype="INT8"), "datatype BYTES", id="datatype"),
        *(
            pytest.param(
                (infer(["ba"], [1]), {"inference-header-content-length": length}),
                "Inference-Header-Content-Length",
                id=f"length {length[:9]!r}",
            )
            for length in ("", "x", "-1", "99999", "9" * 5000)
        ),
    ],
)
def test_binary_requests_that_do_not_add_up_are_refused(
    server: Running, body: tuple[bytes, dict[str, str]], message: str
) -> None:
    answer = server.post(V2, body[0], **body[1])
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "image/png"],
)
def test_what_a_body_is_called_does_not_matter(server: Running, content_type: str) -> None:
    called = {"content-type": content_type}
    assert server.post(V1, predict("ba"), **called).status_code == 200
    assert server.post(V2, one(), **called).status_code == 200


@pytest.mark.parametrize(("path", "body"), [(V1, predict("ba")), (V2, one())], ids=["V1", "V2"])
def test_a_compressed_body_is_refused(server: Running, path: str, body: bytes) -> None:
    answer = server.post(path, gzip.compress(body), **{"content-encoding": "gzip"})
    assert answer.status_code == 415
    assert "without Content-Encoding" in answer.json()["error"]


def test_a_name_that_stands_twice_has_its_last_value(server: Running) -> None:
    twice = b'{"instances": ["x", "y"], "instances": ["ba"]}'
    assert server.post(V1, twice).json() == server.post(V1, predict("ba")).json()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/v2", 200, id="server metadata"),
        pytest.param("GET", "/v2/health/live", 200, id="live"),
        pytest.param("GET", "/v2/health/ready", 200, id="ready"),
        pytest.param("GET", "/v1/models", 200, id="V1's list"),
        pytest.param("GET", "/v1/models/toy", 200, id="V1: ready"),
        pytest.param("GET", "/v1/models/other", 404, id="V1: another model"),
        pytest.param("GET", "/v2/models", 200, id="V2's list"),
        pytest.param("GET", "/v2/models/toy/ready", 200, id="V2: ready"),
        pytest.param("GET", "/v2/models/toy/versions/r-toy", 200, id="the version's metadata"),
        pytest.param("GET", "/v2/models/toy/versions/r-toy/ready", 200, id="version ready"),
        pytest.param("GET", "/v2/models/toy/versions/2/ready", 404, id="another version"),
        pytest.param("GET", "/v2/models/other", 404, id="another model"),
        pytest.param("POST", "/v2/models/toy/versions/r-toy/infer", 200, id="ask the version"),
        pytest.param("POST", "/v2/models/toy/versions/2/infer", 404, id="ask another version"),
        pytest.param("POST", "/v2/models/other/infer", 404, id="ask another model"),
        pytest.param("POST", "/v2/models/toy/infer/", 404, id="a slash at the end"),
        pytest.param("POST", "/v1/models/toy:predict/", 404, id="V1: a slash at the end"),
        pytest.param("HEAD", "/v2/models/toy/infer", 405, id="head"),
        pytest.param("OPTIONS", "/v2/models/toy/infer", 405, id="options"),
        pytest.param("GET", "/v2/models/toy/infer", 405, id="get"),
    ],
)
def test_paths_and_methods(server: Running, method: str, path: str, status: int) -> None:
    body = one() if method == "POST" else None
    answer = server.client.request(method, f"{server.url}{path}", content=body)
    assert answer.status_code == status, answer.text
    if status == 405:
        assert answer.headers["allow"] == "POST"
    if status != 200 and method != "HEAD":
        assert answer.json().keys() == {"error"}


def test_metadata_tells_what_is_there(server: Running) -> None:
    found = server.get(f"{server.url}/v2/models/toy").json()
    assert found["versions"] == ["r-toy"]
    assert found["platform"] == "ctranslate2"
    assert [(tensor["name"], tensor["datatype"]) for tensor in found["inputs"]] == [
        ("text", "BYTES"),
        ("parameters", "BYTES"),
    ]
    assert {tensor["name"]: tensor["datatype"] for tensor in found["outputs"]} == OUTPUTS
    document = json.loads(one()) | {"outputs": [{"name": name} for name in OUTPUTS]}
    answer = server.post(V2, json.dumps(document).encode()).json()
    assert answer["model_version"] == "r-toy"
    assert {tensor["name"]: tensor["datatype"] for tensor in answer["outputs"]} == OUTPUTS
