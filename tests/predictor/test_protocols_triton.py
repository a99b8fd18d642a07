"""Triton's client, by which many know the Open Inference Protocol, against a real predictor.

Each test is a process of its own: the client and the KServe SDK bring the same protobuf file, and
one process can have it once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from tests.predictor.running import Running, predict

BEGIN = """
import json, os, sys
import numpy as np
import tritonclient.{transport} as triton
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(os.environ["URL"])

def tensor(name, texts, shape=None, **form):
    array = np.array(texts, np.object_).reshape(shape or [len(texts)])
    made = triton.InferInput(name, list(array.shape), "BYTES")
    made.set_data_from_numpy(array, **form)
    return made

def refusal(call, *given, **named):
    try:
        call(*given, **named)
    except InferenceServerException as error:
        return error.status()

def told(answer, *names):
    found = [(name, answer.as_numpy(name)) for name in names]
    return {{
        name: values if values is None else [
            value.decode() if isinstance(value, bytes) else value for value in values.tolist()
        ]
        for name, values in found
    }}
"""
TRANSPORTS = ["http", "grpc"]
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("transport", TRANSPORTS)]


def run(server: Running, transport: str, program: str) -> Any:
    """Return what the program leaves in ``result``."""
    url = server.grpc if transport == "grpc" else server.url.removeprefix("http://")
    text = BEGIN.format(transport=transport) + program + "\nprint(json.dumps(result))"
    command = [sys.executable, "-c", text]
    done = subprocess.run(
        command, env=os.environ | {"URL": url}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_finds_server_and_model(server: Running, transport: str) -> None:
    found = run(
        server,
        transport,
        """
def plain(message):
    return message if isinstance(message, dict) else {
        field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields
    }
result = {
    "ready": [
        client.is_server_live(), client.is_server_ready(),
        client.is_model_ready("toy"), client.is_model_ready("toy", "r-toy"),
    ],
    "server": plain(client.get_server_metadata())["name"],
    "versions": list(plain(client.get_model_metadata("toy"))["versions"]),
    "refused": [
        refusal(client.get_model_metadata, "other"),
        refusal(client.get_model_metadata, "toy", "2"),
        refusal(client.unload_model, "toy"),
    ],
}""",
    )
    http = ["404", "404", "403"]
    grpc = [f"StatusCode.{name}" for name in ("NOT_FOUND", "NOT_FOUND", "PERMISSION_DENIED")]
    assert found == {
        "ready": [True] * 4,
        "server": "mt-predictor",
        "versions": ["r-toy"],
        "refused": http if transport == "http" else grpc,
    }


def test_it_translates_in_every_form(server: Running, transport: str) -> None:
    [first, second] = server.post(
        "/v1/models/toy:predict", predict("ba do", {"text": "kilu.", "beam_size": 1})
    ).json()["predictions"]
    found = run(
        server,
        transport,
        """
texts, own = [b"ba do", b"kilu."], [b"", b'{"beam_size": 1}']
result = []
for form in [{}, {"binary_data": False}] if triton.__name__.endswith("http") else [{}]:
    for shape in ([2], [1, 2], [2, 1]):
        inputs = [tensor("text", texts, shape, **form), tensor("parameters", own, shape, **form)]
        answer = client.infer("toy", inputs, model_version="r-toy")
        result.append(told(answer, "translation", "tokens", "error"))
    none = client.infer("toy", [tensor("text", [], [0], **form)])
    assert none.as_numpy("translation").size == none.as_numpy("score").size == 0
    names = ["segments", "truncated"]
    asked = client.infer("toy", [tensor("text", texts[:1], **form)],
                         outputs=[triton.InferRequestedOutput(name) for name in names])
    assert told(asked, *names)["truncated"] == [False] and asked.as_numpy("score") is None
    assert "source" in json.loads(asked.as_numpy("segments")[0])[0]
""",
    )
    expected = {
        "translation": [first["translation"], second["translation"]],
        "tokens": [first["tokens"], second["tokens"]],
        "error": None,
    }
    assert found == [expected] * (6 if transport == "http" else 3)


def test_it_is_told_what_is_wrong(server: Running, transport: str) -> None:
    found = run(
        server,
        transport,
        """
one = [tensor("text", [b"ba"])]
bad = client.infer("toy", [tensor("text", [b"ba", b"\\xff"])],
                   outputs=[triton.InferRequestedOutput("tokens")])
result = {
    "error": told(bad, "error")["error"][1],
    "refused": [
        refusal(client.infer, "other", one),
        refusal(client.infer, "toy", one, model_version="2"),
        refusal(client.infer, "toy", one, parameters={"beams": 3}),
        refusal(client.infer, "toy", one, parameters={"beam_size": 2.5}),
        refusal(client.infer, "toy", one, timeout=5),
        refusal(client.infer, "toy", one, outputs=[triton.InferRequestedOutput("x")]),
        refusal(client.infer, "toy", [tensor("text", [b"x" * 1_048_577])]),
        refusal(client.infer, "toy", [tensor("text", [b"x" * 900_000] * 5)]),
    ],
}""",
    )
    http = ["404"] * 2 + ["400"] * 4 + ["413"] * 2
    names = ["NOT_FOUND"] * 2 + ["INVALID_ARGUMENT"] * 4 + ["RESOURCE_EXHAUSTED"] * 2
    assert found["error"] == "the text is not UTF-8 (byte 0): encode it as UTF-8"
    assert found["refused"] == (
        http if transport == "http" else [f"StatusCode.{name}" for name in names]
    )
